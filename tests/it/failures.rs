//! A bad day, from the client's call to the folder on disk: one clear error, and no half-written table.

use std::path::Path;

use databricks_delta_lake::{
    DatabricksClient,
    delta::DeltaError,
    schema::{ColumnSchema, DataType, TableName, TableSchema},
};
use databricks_local::LocalWorkspace;
use serde::Serialize;
use tempfile::TempDir;

use crate::{reader, workspace::Served};

#[derive(Serialize)]
struct Reading {
    station: i64,
    text: String,
}

fn readings(rows: i64) -> Vec<Reading> {
    // Text that does not compress, so that a part has a size to speak of.
    let digits = |station: i64, n: u64| (station.unsigned_abs() * 31 + n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let text = |station| (0..20).map(|n| format!("{:x}", digits(station, n))).collect();
    (0..rows).map(|station| Reading { station, text: text(station) }).collect()
}

async fn create(client: &DatabricksClient) -> TableName {
    let columns =
        vec![ColumnSchema::new("station", DataType::BigInt), ColumnSchema::new("text", DataType::String)];
    let table = TableName::new("main", "default", "readings").unwrap();
    let delta = client.delta("main", "default").unwrap();
    delta.create_table(&table, TableSchema::new(columns)).send().await.unwrap();
    table
}

async fn assert_empty(folder: &Path) {
    let seen = reader::read(folder).await;
    assert_eq!((seen.version, seen.rows.num_rows()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_the_write_names_the_path_and_leaves_the_table_as_it_was() {
    let folder = TempDir::new().unwrap();
    let workspace = LocalWorkspace::builder(folder.path()).disk_quota(200_000).open().unwrap();
    let server = workspace.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    let client = DatabricksClient::new(workspace.config_for(&server).unwrap()).unwrap();
    let table = create(&client).await;
    let delta = client.delta("main", "default").unwrap();

    let error = delta.write_batch(&table, &readings(5_000)).batch_size(1_000).send().await.unwrap_err();
    let message = error.to_string();
    assert!(message.contains("/Volumes/main/default/_staging/"), "{message}");
    assert!(message.contains("no space is left"), "{message}");
    assert!(matches!(error, DeltaError::StorageFull { .. }), "{message}");
    assert_empty(&workspace.table_path(&table).unwrap()).await;

    let written = delta.write_batch(&table, &readings(100)).send().await.unwrap();
    assert_eq!(written.rows_affected, 100, "staging was cleaned, so that what fits can be written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_the_table_does_not_have_is_named_before_anything_is_staged() {
    #[derive(Serialize)]
    struct Wrong {
        station: i64,
        txet: String,
    }
    let served = Served::start().await;
    let client = served.client();
    let table = create(&client).await;
    let delta = client.delta("main", "default").unwrap();

    let error =
        delta.write_batch(&table, &[Wrong { station: 1, txet: "x".to_owned() }]).send().await.unwrap_err();
    let message = error.to_string();
    for part in ["txet", "station", "text", "readings"] {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
    assert!(!matches!(error, DeltaError::OutcomeUnknown { .. }), "{message}");

    let missing = delta.write_batch("nowhere", &readings(1)).send().await.unwrap_err().to_string();
    assert!(missing.contains("nowhere"), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_does_not_know_is_refused_by_name_with_class_and_sqlstate() {
    let served = Served::start().await;
    let sql = served.client().default_sql().unwrap();
    for (statement, class, state) in [
        ("SELEC 1", "PARSE_SYNTAX_ERROR", "42601"),
        ("SELECT nope(1)", "UNRESOLVED_ROUTINE", "42883"),
        ("SELECT * FROM main.default.nowhere", "TABLE_OR_VIEW_NOT_FOUND", "42P01"),
        ("SELECT a FROM VALUES (1) AS t(b)", "UNRESOLVED_COLUMN", "42703"),
        ("SELECT 1 / 0", "DIVIDE_BY_ZERO", "22012"),
        ("SELECT CAST('x' AS INT)", "CAST_INVALID_INPUT", "22018"),
        ("SELECT 9223372036854775807 + 1", "ARITHMETIC_OVERFLOW", "22003"),
        ("GRANT SELECT ON TABLE t TO `u`", "UNSUPPORTED", "0A000"),
    ] {
        let error = sql.execute(statement).await.unwrap_err();
        assert!(error.error_class().is_some_and(|found| found.starts_with(class)), "{statement}: {error}");
        assert_eq!(error.sql_state(), Some(state), "{statement}: {error}");
    }
}
