//! Schemas evolved on real tables: at random, and broken off in the middle.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use databricks_delta_lake::DatabricksClient;
use databricks_delta_lake::schema::{
    ColumnPath, ColumnSchema, DataType, EvolutionOptions, EvolutionPlan, RunFuture, SchemaError,
    SchemaManager, StatementError, StatementParameter, StatementRunner, StructField, TableDescription,
    TableName, TableSchema, Widening,
};
use databricks_delta_lake::sql::SqlClient;
use databricks_delta_lake::transport::Client;
use databricks_local::LocalWorkspace;
use tempfile::TempDir;

use crate::reader;

/// Tables that live side by side, and what each goes through: 200 sequences in all. Many short lives rather than a few
/// long ones: the log that every look at a table reads stays short.
const TABLES: u64 = 50;
const SEQUENCES: u64 = 4;

fn name(table: &str) -> TableName {
    TableName::new("main", "default", table).unwrap()
}

/// The newest version in the log, as the files of the folder tell it.
fn version(folder: &Path) -> usize {
    let log = std::fs::read_dir(folder.join("_delta_log")).unwrap();
    let commits = log.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name().into_string().unwrap();
        name.len() == 25 && name.ends_with(".json")
    });
    commits.count() - 1
}

/// A generator that says what it did last time, given the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A table, what it is wanted to be, and what its rows hold: a number in each column, or nothing.
struct Life {
    table: TableName,
    wanted: TableSchema,
    rows: Vec<HashMap<String, i64>>,
    renames: Vec<(ColumnPath, String)>,
    mapped: bool,
    /// Columns that the table has by now; those behind them are only wanted yet.
    settled: usize,
    made: u64,
}

impl Life {
    /// Changes what is wanted: one to three things.
    fn change(&mut self, dice: &mut Dice) {
        for _ in 0..=dice.roll(3) {
            let at = usize::try_from(dice.roll(self.wanted.columns.len() as u64)).unwrap();
            match dice.roll(6) {
                0 | 1 => self.add(dice),
                2 if self.mapped && at > 0 && at < self.settled => self.rename(at),
                3 => self.wanted.columns[at].comment = Some(format!("it's {}", dice.roll(100))),
                _ => {
                    let wider = wider(&self.wanted.columns[at].data_type, dice);
                    self.wanted.columns[at].data_type = wider;
                }
            }
        }
    }

    fn add(&mut self, dice: &mut Dice) {
        const TYPES: [&str; 8] = [
            "TINYINT",
            "SMALLINT",
            "INT",
            "FLOAT",
            "DECIMAL(5,1)",
            "DATE",
            "STRING",
            "STRUCT<x: INT, y: ARRAY<SMALLINT>>",
        ];
        let data_type = DataType::parse(TYPES[usize::try_from(dice.roll(8)).unwrap()]).unwrap();
        self.made += 1;
        let column = ColumnSchema::new(format!("C{}", self.made), data_type);
        self.wanted.columns.push(if dice.roll(3) == 0 { column.with_comment("new") } else { column });
    }

    fn rename(&mut self, at: usize) {
        let old = self.wanted.columns[at].name.clone();
        if self.renames.iter().any(|(_, new)| *new == old) {
            return;
        }
        self.made += 1;
        let new = format!("R {}", self.made);
        self.wanted.columns[at].name.clone_from(&new);
        for row in &mut self.rows {
            if let Some(value) = row.remove(&old) {
                row.insert(new.clone(), value);
            }
        }
        self.renames.push((ColumnPath::column(old), new));
    }

    /// A row with a number in every column but structs, which SQL here does not make, and the statement that writes it.
    fn insert(&mut self) -> String {
        let number = i64::try_from(self.rows.len()).unwrap() % 28 + 1;
        let scalar = |column: &&ColumnSchema| !column.data_type.is_nested();
        let columns: Vec<&ColumnSchema> = self.wanted.columns.iter().filter(scalar).collect();
        self.rows.push(columns.iter().map(|column| (column.name.clone(), number)).collect());
        let names: Vec<String> =
            columns.iter().map(|column| ColumnPath::column(&column.name).to_sql()).collect();
        let values: Vec<String> = columns.iter().map(|column| literal(&column.data_type, number)).collect();
        format!("INSERT INTO {} ({}) SELECT {}", self.table, names.join(", "), values.join(", "))
    }
}

/// The first row of a table, with a struct in it.
#[derive(serde::Serialize)]
struct First {
    id: i32,
    #[serde(rename = "A")]
    a: i16,
    s: Inside,
}

#[derive(serde::Serialize)]
struct Inside {
    x: i8,
    y: Vec<i16>,
}

/// A type that this one can become; itself when there is none.
fn wider(data_type: &DataType, dice: &mut Dice) -> DataType {
    let mut one_of = |names: [&str; 2]| names[usize::try_from(dice.roll(2)).unwrap()].to_owned();
    let text = match data_type {
        DataType::TinyInt => "SMALLINT".to_owned(),
        DataType::SmallInt => one_of(["INT", "DOUBLE"]),
        DataType::Int => one_of(["BIGINT", "DECIMAL(12,2)"]),
        DataType::BigInt => "DECIMAL(20,0)".to_owned(),
        DataType::Float => "DOUBLE".to_owned(),
        DataType::Decimal { precision, scale } if *precision < 36 => {
            format!("DECIMAL({},{})", precision + 2, scale + 1)
        }
        DataType::Date => "TIMESTAMP_NTZ".to_owned(),
        DataType::Struct(fields) => {
            let mut fields = fields.clone();
            if dice.roll(2) == 0 {
                fields.push(StructField::new(format!("z{}", fields.len()), DataType::Int));
            } else {
                fields[0].data_type = wider(&fields[0].data_type, dice);
            }
            return DataType::Struct(fields);
        }
        other => return other.clone(),
    };
    DataType::parse(&text).unwrap()
}

fn literal(data_type: &DataType, number: i64) -> String {
    match data_type {
        DataType::Date | DataType::TimestampNtz => format!("CAST('2024-01-{number:02}' AS {data_type})"),
        other => format!("CAST({number} AS {other})"),
    }
}

/// The number that a cell of any type holds.
fn number(cell: &str) -> i64 {
    let digits = match cell.strip_prefix("2024-01-") {
        Some(day) => &day[..2],
        // The first number of a struct is that of its first field.
        None => cell.trim_start_matches(|c: char| !c.is_ascii_digit()),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_random_evolutions_lose_no_row() {
    let folder = TempDir::new().unwrap();
    let workspace = Arc::new(LocalWorkspace::open(folder.path()).unwrap());
    let transport = Client::builder(workspace.config().unwrap()).leaf(workspace.service()).build().unwrap();
    let client = DatabricksClient::from_transport(transport);
    let lives = (0..TABLES).map(|seed| tokio::spawn(live(client.clone(), Arc::clone(&workspace), seed)));
    let commits: Vec<usize> = futures::future::try_join_all(lives).await.unwrap();
    // A test in which little happened would say nothing.
    assert!(commits.iter().sum::<usize>() > 150, "{commits:?}");
}

/// One table through all of its sequences; gives the commits that its plans made.
async fn live(client: DatabricksClient, workspace: Arc<LocalWorkspace>, seed: u64) -> usize {
    let (sql, table) = (client.default_sql().unwrap(), name(&format!("t{seed}")));
    let mapped = seed.is_multiple_of(2);
    let properties = if mapped { "TBLPROPERTIES ('delta.columnMapping.mode' = 'name')" } else { "" };
    let columns = "id INT, A SMALLINT, s STRUCT<x: TINYINT, y: ARRAY<SMALLINT>>";
    sql.statement(format!("CREATE TABLE {table} ({columns}) {properties}")).execute().await.unwrap();
    let folder = workspace.table_path(&table).unwrap();
    let wanted = TableSchema::parse(columns).unwrap();
    let mut rows = Vec::new();
    if seed.is_multiple_of(5) {
        let first = First { id: 28, a: 28, s: Inside { x: 28, y: vec![28] } };
        client.delta("main", "default").unwrap().write_batch(&table, &[first]).send().await.unwrap();
        rows.push(["id", "A", "s"].map(|name| (name.to_owned(), 28)).into());
    }
    let mut life = Life { table, wanted, rows, renames: Vec::new(), mapped, settled: 3, made: 0 };
    let (mut dice, mut commits) = (Dice(seed + 1), 0);
    let mut seen = client.schema_manager().unwrap().describe(&life.table).await.unwrap();
    for sequence in 0..SEQUENCES {
        // Every other time: so the rows are of several ages, and columns come that no row fills at first.
        if sequence.is_multiple_of(2) {
            let insert = life.insert();
            sql.statement(insert).execute().await.unwrap();
        }
        for _ in 0..=dice.roll(4) / 3 {
            life.change(&mut dice);
            let mut options = EvolutionOptions::default().with_widening(Widening::ByHand);
            options.renames.clone_from(&life.renames);
            let manager = client.schema_manager().unwrap().with_options(options);
            let before = version(&folder);
            // What the last look at the table told: the rows that came since change no schema.
            let plan = EvolutionPlan::between(&seen, &life.wanted, manager.options()).unwrap();
            manager.evolve_safely(&life.table, &life.wanted).await.unwrap();
            assert_eq!(version(&folder), before + plan.commits(), "{plan}");
            commits += plan.commits();
            seen = seen.after(&plan);
            life.renames.clear();
            life.settled = life.wanted.columns.len();
        }
        seen = check(&sql, &client, &life, sequence).await;
    }
    let seen = reader::read(&folder).await;
    assert_eq!((seen.rows.num_rows(), seen.rows.num_columns()), (life.rows.len(), life.wanted.columns.len()));
    commits
}

/// The table has the wanted types, and every row what was written into it, and NULL in what came later. Gives the table
/// as it is seen.
async fn check(sql: &SqlClient, client: &DatabricksClient, life: &Life, sequence: u64) -> TableDescription {
    let seen = client.schema_manager().unwrap().describe(&life.table).await.unwrap();
    let told = |schema: &TableSchema| -> Vec<(String, DataType, Option<String>)> {
        let columns = schema.columns.iter();
        columns
            .map(|column| (column.name.clone(), column.data_type.clone(), column.comment.clone()))
            .collect()
    };
    assert_eq!(told(&seen.schema), told(&life.wanted), "{} {sequence}", life.table);
    let names: Vec<String> =
        life.wanted.columns.iter().map(|column| ColumnPath::column(&column.name).to_sql()).collect();
    // Rows are told apart by the order they were written in, which their number keeps within a round of 28.
    let select = format!("SELECT {} FROM {}", names.join(", "), life.table);
    let rows = sql.run(&select, &[]).await.unwrap();
    let mut found: Vec<Vec<Option<i64>>> =
        rows.rows.iter().map(|row| row.iter().map(|cell| cell.as_deref().map(number)).collect()).collect();
    let mut expected: Vec<Vec<Option<i64>>> = life
        .rows
        .iter()
        .map(|row| life.wanted.columns.iter().map(|column| row.get(&column.name).copied()).collect())
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{} {sequence}", life.table);
    seen
}

/// Fails one statement of those that change a table, before or after it has its effect.
#[derive(Clone)]
struct Failing {
    sql: SqlClient,
    /// Statements to go until the one that fails.
    left: Arc<AtomicUsize>,
    after_the_effect: bool,
}

impl StatementRunner for Failing {
    fn run<'a>(&'a self, statement: &'a str, parameters: &'a [StatementParameter]) -> RunFuture<'a> {
        Box::pin(async move {
            let counts = statement.starts_with("ALTER");
            let fails = counts
                && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                    == Ok(1);
            let failure =
                || StatementError::new("the warehouse went away").with_unsettled(self.after_the_effect);
            if fails && !self.after_the_effect {
                return Err(failure());
            }
            let rows = self.sql.run(statement, parameters).await?;
            if fails { Err(failure()) } else { Ok(rows) }
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evolution_that_breaks_off_is_completed_by_the_next() {
    let folder = TempDir::new().unwrap();
    let workspace = LocalWorkspace::open(folder.path()).unwrap();
    let transport = Client::builder(workspace.config().unwrap()).leaf(workspace.service()).build().unwrap();
    let client = DatabricksClient::from_transport(transport);
    let sql = client.default_sql().unwrap();
    let wanted =
        TableSchema::parse("id BIGINT COMMENT 'key', day TIMESTAMP_NTZ, note STRING DEFAULT 'none'").unwrap();
    for after_the_effect in [false, true] {
        let mut fails_at = 1;
        loop {
            let table = name(&format!("broken_{after_the_effect}_{fails_at}"));
            sql.statement(format!("CREATE TABLE {table} (id INT, day DATE)")).execute().await.unwrap();
            let insert = format!("INSERT INTO {table} VALUES (7, DATE'2024-01-07')");
            sql.statement(insert).execute().await.unwrap();
            let (left, catalog) = (Arc::new(AtomicUsize::new(fails_at)), client.catalog());
            let failing = Failing { sql: sql.clone(), left, after_the_effect };
            let manager = SchemaManager::new(failing).with_catalog(catalog);
            let plan = manager.plan(&table, &wanted).await.unwrap();
            let place = workspace.table_path(&table).unwrap();
            let before = version(&place);
            if fails_at > plan.commits() {
                assert!(plan.commits() >= 6, "{plan}");
                break;
            }
            match manager.evolve_safely(&table, &wanted).await {
                // It had its effect: the table tells, and the evolution goes on by itself.
                Ok(result) => assert!(after_the_effect && result.changed()),
                Err(SchemaError::Statement { .. }) => {
                    assert!(!after_the_effect);
                    assert_eq!(version(&place), before + fails_at - 1);
                    assert!(manager.evolve_safely(&table, &wanted).await.unwrap().changed());
                }
                Err(other) => panic!("{other}"),
            }
            assert!(manager.plan(&table, &wanted).await.unwrap().is_empty());
            assert_eq!(version(&place), before + plan.commits(), "no statement ran twice");
            let rows = sql.run(&format!("SELECT * FROM {table}"), &[]).await.unwrap();
            assert_eq!((rows.get(0, "id"), rows.get(0, "note")), (Some("7"), None));
            fails_at += 1;
        }
    }
}
