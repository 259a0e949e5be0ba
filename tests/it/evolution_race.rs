//! Two processes that evolve one table at once.
//!
//! They are this test binary, started twice more with the filter of [`a_program_that_evolves_when_it_is_told_to`]. The
//! test tells both, at the same moment, what the table is wanted to be, and hears from each what it had to do.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use databricks_delta_lake::DatabricksClient;
use databricks_delta_lake::schema::{SchemaEvolutionResult, TableName, TableSchema};
use databricks_delta_lake::transport::{DatabricksConfig, RateLimits};
use serde::{Deserialize, Serialize};

use crate::workspace::Served;

const ROUNDS: usize = 50;
/// Where the workspace is, for a program that was started here.
const WORKSPACE: &str = "DATABRICKS_TESTS_WORKSPACE";
/// What stands before a report, on a line on which the test harness may have written as well.
const REPORT: &str = "report:";

#[derive(Serialize, Deserialize)]
struct Workspace {
    url: String,
    token: String,
    warehouse: String,
}

/// What an evolution did, and who made it.
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    process: u32,
    added: usize,
    widened: usize,
}

fn table() -> TableName {
    TableName::new("main", "default", "shared").unwrap()
}

/// A process of its own, with a line for what is wanted and a line for what it did.
struct Program {
    child: Child,
    wanted: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(workspace: &Workspace) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "evolution_race::a_program_that_evolves_when_it_is_told_to",
                "--exact",
                "--ignored",
                "--nocapture",
            ])
            .env(WORKSPACE, serde_json::to_string(workspace).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (wanted, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut program = Self { child, wanted, output: BufReader::new(output).lines() };
        // It is ready when it has said so: both begin the first round together.
        assert_eq!(program.report().added, 0);
        program
    }

    fn tell(&mut self, wanted: &TableSchema) {
        writeln!(self.wanted, "{}", serde_json::to_string(wanted).unwrap()).unwrap();
    }

    fn report(&mut self) -> Report {
        let lines = self.output.by_ref().map(Result::unwrap);
        let reports = lines.filter_map(|line| Some(line.split_once(REPORT)?.1.to_owned()));
        let report = { reports }.next().expect("the program ended early: see its panic above");
        serde_json::from_str(&report).unwrap()
    }

    /// Lets it end, and looks how it ended.
    fn end(self) {
        let Self { mut child, wanted, output } = self;
        drop(wanted);
        output.for_each(|line| drop(line.unwrap()));
        assert!(child.wait().unwrap().success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_evolve_one_table_make_each_change_once() {
    let served = Served::start().await;
    let client = served.client();
    let sql = client.default_sql().unwrap();
    let table = table();
    sql.statement(format!("CREATE TABLE {table} (id TINYINT)")).execute().await.unwrap();
    sql.statement(format!("INSERT INTO {table} VALUES (CAST(1 AS TINYINT))")).execute().await.unwrap();
    let workspace =
        Workspace { url: served.url(), token: served.token().into(), warehouse: served.warehouse().into() };

    let ids = ["TINYINT", "SMALLINT", "INT", "BIGINT"];
    let rounds = tokio::task::spawn_blocking(move || {
        let mut programs = [Program::start(&workspace), Program::start(&workspace)];
        let mut columns = Vec::new();
        for round in 0..ROUNDS {
            columns.push(format!("c{round} STRING COMMENT 'round {round}'"));
            let id = ids[round * ids.len() / ROUNDS];
            let widens = round > 0 && ids[(round - 1) * ids.len() / ROUNDS] != id;
            let wanted = TableSchema::parse(&format!("id {id}, {}", columns.join(", "))).unwrap();
            programs.iter_mut().for_each(|program| program.tell(&wanted));
            let reports = programs.each_mut().map(Program::report);
            let [one, two] = &reports;
            assert!(one.process != two.process && one.process != std::process::id());
            assert_eq!(one.added + two.added, 1, "round {round}: {reports:?}");
            // Widening what is as wide already succeeds and changes nothing: then both have done it.
            let times = one.widened + two.widened;
            assert_eq!((1..=2).contains(&times), widens, "round {round}: {reports:?}");
        }
        programs.into_iter().for_each(Program::end);
        columns
    });
    let columns = rounds.await.unwrap();

    let schema = client.schema_manager().unwrap().get_schema(&table).await.unwrap();
    let expected = TableSchema::parse(&format!("id BIGINT, {}", columns.join(", "))).unwrap();
    assert_eq!(schema, expected);
    let rows: Vec<(i64, Option<String>, Option<String>)> =
        sql.statement(format!("SELECT id, c0, c49 FROM {table}")).fetch_all().await.unwrap();
    assert_eq!(rows, [(1, None, None)]);
}

/// No test: what the programs do that the test above starts.
#[tokio::test]
#[ignore = "the body of a program that another test starts"]
async fn a_program_that_evolves_when_it_is_told_to() {
    let workspace = std::env::var(WORKSPACE).expect("only another test starts it");
    let Workspace { url, token, warehouse } = serde_json::from_str(&workspace).unwrap();
    let config = DatabricksConfig::new(&url)
        .unwrap()
        .with_token(token)
        .with_warehouse(warehouse)
        .with_rate_limits(RateLimits::unlimited());
    let manager = DatabricksClient::new(config).unwrap().schema_manager().unwrap();
    let tell = |added, widened| {
        let report = Report { process: std::process::id(), added, widened };
        println!("{REPORT}{}", serde_json::to_string(&report).unwrap());
    };
    tell(0, 0);
    for line in std::io::stdin().lock().lines() {
        let wanted: TableSchema = serde_json::from_str(&line.unwrap()).unwrap();
        match manager.evolve_safely(&table(), &wanted).await.unwrap() {
            SchemaEvolutionResult::Evolved { added_columns } => tell(added_columns.len(), 0),
            SchemaEvolutionResult::TypesWidened { columns } => tell(0, columns.len()),
            SchemaEvolutionResult::Combined { added_columns, columns, .. } => {
                tell(added_columns.len(), columns.len());
            }
            _ => tell(0, 0),
        }
    }
}
