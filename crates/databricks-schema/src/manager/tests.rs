//! The manager against a scripted workspace.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::*;
use crate::{
    ColumnSchema, DataType, Rows, RunFuture, SchemaError, StatementError, StatementParameter, Widening,
};

/// Answers statements in order: each expected by its beginning.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<VecDeque<Exchange>>>);

/// A statement, and how it ends.
type Exchange = (String, Result<Rows, StatementError>);

impl Script {
    fn then(self, statement: impl Into<String>, answer: Result<Rows, StatementError>) -> Self {
        self.0.lock().unwrap().push_back((statement.into(), answer));
        self
    }

    /// The table is described as having these columns.
    fn described(self, columns: &str) -> Self {
        let schema = TableSchema::parse(columns).unwrap();
        let columns: Vec<_> = schema.columns.iter().map(json_column).collect();
        let json =
            serde_json::json!({"columns": columns, "table_properties": {"delta.enableTypeWidening": "true"}});
        self.then("DESCRIBE TABLE EXTENDED", Ok(one_cell(&json.to_string())))
    }

    fn altered(self, action: &str) -> Self {
        self.then(format!("ALTER TABLE `main`.`sales`.`orders` {action}"), Ok(Rows::default()))
    }

    fn failed(self, action: &str, error: StatementError) -> Self {
        self.then(format!("ALTER TABLE `main`.`sales`.`orders` {action}"), Err(error))
    }

    fn manager(&self) -> SchemaManager {
        SchemaManager::new(self.clone())
    }

    fn is_done(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }
}

impl StatementRunner for Script {
    fn run<'a>(&'a self, statement: &'a str, _: &'a [StatementParameter]) -> RunFuture<'a> {
        let (expected, answer) = self.0.lock().unwrap().pop_front().unwrap_or_else(|| panic!("{statement}"));
        assert!(statement.starts_with(&expected), "expected {expected}, got {statement}");
        Box::pin(std::future::ready(answer))
    }
}

fn json_column(column: &ColumnSchema) -> serde_json::Value {
    let name = column.data_type.to_string().to_lowercase();
    serde_json::json!({"name": column.name, "type": {"name": name}, "nullable": column.nullable})
}

fn one_cell(text: &str) -> Rows {
    Rows::new(vec![ColumnSchema::new("json_metadata", DataType::String)], vec![vec![Some(text.to_owned())]])
}

fn rows(names: &[&str], cells: &[&[&str]]) -> Rows {
    let columns = names.iter().map(|name| ColumnSchema::new(*name, DataType::String)).collect();
    let cell = |text: &&str| (*text != "NULL").then(|| (*text).to_owned());
    Rows::new(columns, cells.iter().map(|row| row.iter().map(cell).collect()).collect())
}

fn error(class: &str) -> StatementError {
    StatementError::new(format!("[{class}] no")).with_error_class(class)
}

fn orders() -> TableName {
    TableName::new("main", "sales", "orders").unwrap()
}

fn evolve(script: &Script, wanted: &str) -> Result<SchemaEvolutionResult> {
    let wanted = TableSchema::parse(wanted).unwrap();
    futures::executor::block_on(script.manager().evolve_safely(&orders(), &wanted))
}

#[test]
fn a_table_is_looked_at_changed_and_looked_at_again() {
    let script = Script::default()
        .described("id INT")
        .altered("ADD COLUMNS (`note` STRING)")
        .altered("ALTER COLUMN `id` TYPE BIGINT")
        .described("id BIGINT, note STRING");
    let result = evolve(&script, "id BIGINT, note STRING").unwrap();
    assert!(matches!(result, SchemaEvolutionResult::Combined { added_columns, columns, .. }
        if added_columns.len() == 1 && columns.len() == 1));
    assert!(script.is_done());
}

#[test]
fn the_loser_of_a_race_finds_nothing_left_to_do() {
    for class in ["FIELD_ALREADY_EXISTS", "DELTA_METADATA_CHANGED", "DELTA_CONCURRENT_WRITE", "SOMETHING_NEW"]
    {
        let script = Script::default()
            .described("id INT")
            .failed("ADD COLUMNS", error(class))
            .described("id INT, note STRING");
        assert_eq!(
            evolve(&script, "id INT, note STRING").unwrap(),
            SchemaEvolutionResult::NoChange,
            "{class}"
        );
        assert!(script.is_done());
    }
}

#[test]
fn a_conflict_with_something_else_is_tried_again() {
    let script = Script::default()
        .described("id INT")
        .failed("ADD COLUMNS", error("DELTA_CONCURRENT_APPEND.WITH_PARTITION_HINT"))
        .described("id INT")
        .altered("ADD COLUMNS")
        .described("id INT, note STRING");
    assert!(evolve(&script, "id INT, note STRING").unwrap().changed());
    assert!(script.is_done());
}

#[test]
fn an_answer_that_was_lost_is_settled_by_the_table() {
    let lost = || StatementError::new("connection reset").with_unsettled(true);
    let happened =
        Script::default().described("id INT").failed("ADD", lost()).described("id INT, note STRING");
    evolve(&happened, "id INT, note STRING").unwrap();
    let not_yet = Script::default()
        .described("id INT")
        .failed("ADD", lost())
        .described("id INT")
        .failed("ADD", error("FIELD_ALREADY_EXISTS"))
        .described("id INT, note STRING");
    evolve(&not_yet, "id INT, note STRING").unwrap();
    assert!(happened.is_done() && not_yet.is_done());
}

/// It is too slow for its timeout, or somebody cancels it: neither passes by sending it again and again.
#[test]
fn a_statement_that_is_lost_again_is_told() {
    let lost = || StatementError::new("the statement was canceled").with_unsettled(true);
    let script = Script::default()
        .described("id INT")
        .failed("ADD", lost())
        .described("id INT")
        .failed("ADD", lost())
        .described("id INT");
    match evolve(&script, "id INT, note STRING").unwrap_err() {
        SchemaError::Statement { error, .. } => assert!(error.is_unsettled()),
        other => panic!("{other}"),
    }
    assert!(script.is_done());
}

#[test]
fn a_failure_that_is_no_race_is_told_with_its_statement() {
    let script = Script::default()
        .described("id INT")
        .altered("ADD COLUMNS")
        .failed("ALTER COLUMN `id` TYPE BIGINT", error("PERMISSION_DENIED"))
        .described("id INT, note STRING");
    match evolve(&script, "id BIGINT, note STRING").unwrap_err() {
        SchemaError::Statement { sql, error } => {
            assert!(sql.ends_with("TYPE BIGINT"), "{sql}");
            assert_eq!(error.error_class(), Some("PERMISSION_DENIED"));
        }
        other => panic!("{other}"),
    }
    // Another run goes on from there.
    let again = Script::default()
        .described("id INT, note STRING")
        .altered("ALTER COLUMN `id` TYPE BIGINT")
        .described("id BIGINT, note STRING");
    assert!(matches!(
        evolve(&again, "id BIGINT, note STRING").unwrap(),
        SchemaEvolutionResult::TypesWidened { .. }
    ));
}

#[test]
fn endless_conflicts_and_silent_failures_end() {
    let mut script = Script::default();
    for _ in 0..20 {
        script = script.described("id INT").failed("ADD", error("DELTA_CONCURRENT_WRITE"));
    }
    assert!(matches!(evolve(&script, "id INT, n INT"), Err(SchemaError::Contended { attempts: 20, .. })));
    let mut script = Script::default();
    for _ in 0..2 {
        script = script.described("id INT").altered("ADD");
    }
    let script = script.described("id INT");
    match evolve(&script, "id INT, n INT").unwrap_err() {
        SchemaError::NotVerified { remaining, .. } => assert_eq!(remaining, "+ n INT"),
        other => panic!("{other}"),
    }
    assert!(script.is_done());
}

#[test]
fn nothing_is_sent_for_what_cannot_be() {
    let script = Script::default().described("id BIGINT");
    assert!(matches!(evolve(&script, "id INT"), Err(SchemaError::UnsafeTypeChange { .. })));
    let script = Script::default().then("DESCRIBE", Err(error("TABLE_OR_VIEW_NOT_FOUND")));
    assert!(matches!(evolve(&script, "id INT"), Err(SchemaError::TableNotFound { .. })));
}

#[test]
fn old_servers_describe_tables_by_rows() {
    let lines: &[&[&str]] = &[
        &["id", "bigint", "the key"],
        &["day", "date", "NULL"],
        &["s", "struct<a:int,b:array<string>>", ""],
        &["# odd", "int", ""],
        &["# Partition Information", "", ""],
        &["# col_name", "data_type", "comment"],
        &["day", "date", "NULL"],
        &["# Clustering Information", "", ""],
        &["# col_name", "data_type", "comment"],
        &["id", "bigint", "NULL"],
        &["", "", ""],
        &["# Detailed Table Information", "", ""],
        &["Catalog", "main", ""],
    ];
    let script = Script::default()
        .then("DESCRIBE TABLE EXTENDED", Err(error("PARSE_SYNTAX_ERROR")))
        .then("DESCRIBE TABLE EXTENDED", Ok(rows(&["col_name", "data_type", "comment"], lines)))
        .then("SHOW TBLPROPERTIES", Ok(rows(&["key", "value"], &[&["delta.columnMapping.mode", "name"]])));
    let table = futures::executor::block_on(script.manager().describe(&orders())).unwrap();
    let expected =
        "`id` BIGINT COMMENT 'the key', `day` DATE, `s` STRUCT<a: INT, b: ARRAY<STRING>>, `# odd` INT";
    assert_eq!(table.schema.to_string(), expected);
    assert_eq!((table.partition_columns[0].as_str(), table.clustering_columns[0].as_str()), ("day", "id"));
    assert!(table.has_column_mapping() && table.nullability_unknown);
    let cut = Script::default()
        .then("DESCRIBE TABLE EXTENDED", Err(error("UNSUPPORTED_FEATURE.X")))
        .then("DESCRIBE TABLE EXTENDED", Err(error("PARSE_SYNTAX_ERROR")))
        .then(
            "DESCRIBE TABLE `main`",
            Ok(rows(&["col_name", "data_type"], &[&["s", "struct<a:int,... 2 more fields>"]])),
        )
        .then("SHOW", Ok(Rows::default()));
    let error = futures::executor::block_on(cut.manager().describe(&orders())).unwrap_err().to_string();
    assert!(error.contains("`s`") && error.contains("with_catalog"), "{error}");
}

/// A default that is not read would be set again by every run.
#[test]
fn old_servers_tell_defaults_behind_the_columns() {
    let described = |script: Script, lines: &[&[&str]]| {
        let properties: &[&[&str]] = &[&["delta.feature.allowColumnDefaults", "supported"]];
        script
            .then("DESCRIBE TABLE EXTENDED", Err(error("PARSE_SYNTAX_ERROR")))
            .then("DESCRIBE TABLE EXTENDED", Ok(rows(&["col_name", "data_type", "comment"], lines)))
            .then("SHOW TBLPROPERTIES", Ok(rows(&["key", "value"], properties)))
    };
    let after: &[&[&str]] = &[
        &["id", "int", "the key"],
        &["# odd", "int", "NULL"],
        &["", "", ""],
        &["# Detailed Table Information", "", ""],
        &["id", "is no column here", ""],
        &["", "", ""],
        &["# Column Default Values", "", ""],
        &["id", "int", "7"],
        &["# odd", "int", "1 + 1"],
        &["", "", ""],
        &["id", "int", "8"],
    ];
    let script = described(Script::default(), &after[..2])
        .altered("ALTER COLUMN `id` SET DEFAULT 7")
        .altered("ALTER COLUMN `# odd` SET DEFAULT 1 + 1");
    let script = described(script, after);
    assert!(evolve(&script, "id INT DEFAULT 7, `# odd` INT DEFAULT 1 + 1").unwrap().changed());
    assert!(script.is_done());
}

#[test]
fn new_servers_describe_tables_as_json() {
    let json = r#"{"table_name":"orders","columns":[
        {"name":"id","type":{"name":"bigint"},"nullable":false,"comment":"key","default":"1"},
        {"name":"d","type":{"name":"decimal","precision":10,"scale":2},"nullable":true},
        {"name":"v","type":{"name":"varchar","length":7},"nullable":true},
        {"name":"z","type":{"name":"timestamp_ltz"},"nullable":true},
        {"name":"i","type":{"name":"interval","start_unit":"day","end_unit":"second"},"nullable":true},
        {"name":"c","type":{"name":"string","collation":"UTF8_LCASE"},"nullable":true},
        {"name":"m","type":{"name":"map","key_type":{"name":"string","collation":"UTF8_BINARY"},"value_type":
            {"name":"array","element_type":{"name":"struct","fields":[
                {"name":"x","type":{"name":"int"},"nullable":false}]},"element_nullable":true},"value_nullable":true},
            "nullable":true}],
        "partition_columns":["d"],"clustering_columns":["id"],"table_properties":{"k":"v"},"more":1}"#;
    let script = Script::default().then("DESCRIBE TABLE EXTENDED", Ok(one_cell(json)));
    let table = futures::executor::block_on(script.manager().describe(&orders())).unwrap();
    insta::assert_snapshot!(table.schema.to_string().replace(", `", ",\n`"));
    assert_eq!((table.partition_columns[0].as_str(), table.clustering_columns[0].as_str()), ("d", "id"));
    assert!(!table.nullability_unknown && table.properties["k"] == "v");
    for bad in ["", "{}", r#"{"columns":[{"name":"a","type":{"name":"array"}}]}"#] {
        let script = Script::default().then("DESCRIBE TABLE EXTENDED", Ok(one_cell(bad)));
        let error = futures::executor::block_on(script.manager().describe(&orders())).unwrap_err();
        assert!(matches!(error, SchemaError::Description { .. }), "{bad}: {error}");
    }
}

#[test]
fn a_plan_that_was_reviewed_is_run_and_nothing_else() {
    let table = TableDescription::new(orders(), TableSchema::parse("id INT").unwrap());
    let manager = SchemaManager::mock_with([table]);
    let wanted = TableSchema::parse("id BIGINT, note STRING").unwrap();
    futures::executor::block_on(async {
        let plan = manager.plan(&orders(), &wanted).await.unwrap();
        // Somebody makes a part of it: the rest is run.
        manager.evolve_safely(&orders(), &TableSchema::parse("id INT, note STRING").unwrap()).await.unwrap();
        assert!(matches!(manager.apply(&plan).await.unwrap(), SchemaEvolutionResult::TypesWidened { .. }));
        assert_eq!(manager.apply(&plan).await.unwrap(), SchemaEvolutionResult::NoChange);
    });
    let before = TableDescription::new(orders(), TableSchema::parse("id TINYINT").unwrap());
    let manager = SchemaManager::mock_with([before]);
    let plan = EvolutionPlan::between(
        &TableDescription::new(orders(), TableSchema::parse("id INT").unwrap()),
        &wanted,
        &EvolutionOptions::default().with_widening(Widening::ByHand),
    );
    let error = futures::executor::block_on(manager.apply(&plan.unwrap())).unwrap_err();
    assert!(
        matches!(&error, SchemaError::PlanOutdated { unplanned, .. } if unplanned == "~ id: TINYINT -> BIGINT")
    );
}

#[test]
fn the_statement_that_failed_is_told_where_the_table_cannot_be_looked_at_either() {
    let script = Script::default()
        .described("id INT")
        .failed("ADD COLUMNS", StatementError::new("connection reset").with_unsettled(true))
        .then("DESCRIBE TABLE EXTENDED", Err(StatementError::new("connection refused")));
    match evolve(&script, "id INT, note STRING").unwrap_err() {
        SchemaError::Statement { sql, error } => {
            assert!(sql.contains("ADD COLUMNS") && error.is_unsettled(), "{sql}: {error}");
        }
        other => panic!("{other}"),
    }
    let dropped = Script::default()
        .described("id INT")
        .failed("ADD COLUMNS", error("TABLE_OR_VIEW_NOT_FOUND"))
        .then("DESCRIBE TABLE EXTENDED", Err(error("TABLE_OR_VIEW_NOT_FOUND")));
    assert!(matches!(evolve(&dropped, "id INT, note STRING"), Err(SchemaError::TableNotFound { .. })));
    assert!(script.is_done() && dropped.is_done());
}

/// Tables in memory refuse what real ones would, so that programs in many threads add each column once there, too.
#[test]
fn threads_that_evolve_one_table_in_memory_make_each_change_once() {
    let table = TableDescription::new(orders(), TableSchema::parse("id INT").unwrap());
    let manager = SchemaManager::mock_with([table]);
    let wanted: TableSchema = (0..40).map(|n| ColumnSchema::new(format!("c{n}"), DataType::String)).collect();
    let mut columns = vec![ColumnSchema::new("id", DataType::Int)];
    for column in &wanted.columns {
        columns.push(column.clone());
        let wanted = TableSchema::new(columns.clone());
        let (barrier, changed) = (std::sync::Barrier::new(4), std::sync::atomic::AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    barrier.wait();
                    let result = futures::executor::block_on(manager.evolve_safely(&orders(), &wanted));
                    changed.fetch_add(
                        usize::from(result.unwrap().changed()),
                        std::sync::atomic::Ordering::SeqCst,
                    );
                });
            }
        });
        assert_eq!(changed.into_inner(), 1);
    }
    let schema = futures::executor::block_on(manager.get_schema(&orders())).unwrap();
    assert_eq!(schema, TableSchema::new(columns));
}

#[test]
fn a_rename_in_memory_takes_what_names_the_column_with_it() {
    let table = TableDescription::new(orders(), TableSchema::parse("a INT, b INT").unwrap())
        .with_property("delta.columnMapping.mode", "name")
        .with_partition_columns(["A"])
        .with_key(crate::TableKey::primary("pk", ["a"]));
    let renaming = EvolutionOptions::default().with_rename("a", "c");
    let manager = SchemaManager::mock_with([table]).with_options(renaming);
    let wanted = TableSchema::parse("c INT, b INT").unwrap();
    let table = futures::executor::block_on(async {
        manager.evolve_safely(&orders(), &wanted).await.unwrap();
        manager.describe(&orders()).await.unwrap()
    });
    assert_eq!(
        (table.partition_columns, &table.keys[0].columns[..]),
        (vec!["c".to_owned()], &["c".to_owned()][..])
    );
}
