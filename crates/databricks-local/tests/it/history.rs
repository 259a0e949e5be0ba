//! Time travel, DESCRIBE HISTORY, DESCRIBE DETAIL and RESTORE.

use crate::local::Local;

async fn table_with_history() -> Local {
    let local = Local::new();
    local.run("CREATE TABLE t (id INT, name STRING) TBLPROPERTIES ('owner.team' = 'lab')").await;
    local.run("INSERT INTO t VALUES (1, 'a'), (2, 'b')").await;
    local.run("UPDATE t SET name = 'B' WHERE id = 2").await;
    local.run("ALTER TABLE t ADD COLUMNS (n BIGINT COMMENT 'new', d DATE)").await;
    local
}

#[tokio::test(flavor = "multi_thread")]
async fn history_uses_databricks_words() {
    let local = table_with_history().await;
    local
        .run("MERGE INTO t USING (SELECT 1 AS id) AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET n = 5")
        .await;
    let history = local.run("DESCRIBE HISTORY t").await;
    assert_eq!(
        history.columns,
        [
            "version",
            "timestamp",
            "userId",
            "userName",
            "operation",
            "operationParameters",
            "job",
            "notebook",
            "clusterId",
            "readVersion",
            "isolationLevel",
            "isBlindAppend",
            "operationMetrics",
            "userMetadata",
            "engineInfo"
        ]
    );
    let operations: Vec<_> =
        (0..5).map(|row| (history.cell(row, "version"), history.cell(row, "operation"))).collect();
    assert_eq!(
        operations,
        [("4", "MERGE"), ("3", "ADD COLUMNS"), ("2", "UPDATE"), ("1", "WRITE"), ("0", "CREATE TABLE")]
    );
    assert!(history.cell(0, "operationMetrics").contains("\"numTargetRowsUpdated\":\"1\""), "{history:?}");
    assert!(history.cell(3, "operationMetrics").contains("\"numOutputRows\":\"2\""), "{history:?}");
    assert_eq!(history.cell(3, "userName"), "ada@example.com");
    assert_eq!(local.run("DESCRIBE HISTORY t LIMIT 2").await.rows.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_read_as_it_was() {
    let local = table_with_history().await;
    assert!(local.run("SELECT * FROM t VERSION AS OF 0").await.rows.is_empty());
    let one = local.run("SELECT * FROM t VERSION AS OF 1 ORDER BY id").await;
    assert_eq!((one.columns.len(), one.texts()), (2, vec![vec!["1", "a"], vec!["2", "b"]]));
    let now = local.run("SELECT * FROM t ORDER BY id").await;
    assert_eq!(now.texts(), [["1", "a", "NULL", "NULL"], ["2", "B", "NULL", "NULL"]]);
    assert_eq!(
        local.fails("SELECT * FROM t VERSION AS OF 9").await,
        ("DELTA_VERSION_NOT_FOUND".into(), "22003".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instant_is_a_version_or_an_error() {
    let local = table_with_history().await;
    let history = local.run("DESCRIBE HISTORY t").await;
    let read = "SELECT count(*) FROM t TIMESTAMP AS OF :at";
    let at_insert = history.cell(2, "timestamp").replace('T', " ");
    assert_eq!(local.run_with(read, "at", "TIMESTAMP", &at_insert).await.texts(), [["2"]]);
    let early = local.fails("SELECT * FROM t TIMESTAMP AS OF '2001-01-01'").await;
    assert_eq!(early, ("DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION".into(), "42816".into()));
    let late = local.fails("SELECT * FROM t TIMESTAMP AS OF '2999-01-01'").await;
    assert_eq!(late, ("DELTA_TIMESTAMP_GREATER_THAN_COMMIT".into(), "42816".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn restore_goes_back_in_one_commit() {
    let local = table_with_history().await;
    let answer = local.run("RESTORE TABLE t TO VERSION AS OF 1").await;
    assert_eq!(
        answer.columns,
        [
            "table_size_after_restore",
            "num_of_files_after_restore",
            "num_removed_files",
            "num_restored_files",
            "removed_files_size",
            "restored_files_size"
        ]
    );
    assert_eq!((answer.cell(0, "num_removed_files"), answer.cell(0, "num_restored_files")), ("1", "1"));
    assert_eq!(local.version("t").await, 4);
    let rows = local.run("SELECT * FROM t ORDER BY id").await;
    assert_eq!(rows.texts(), [["1", "a"], ["2", "b"]]);
    assert_eq!(local.run("DESCRIBE HISTORY t LIMIT 1").await.cell(0, "operation"), "RESTORE");
}

#[tokio::test(flavor = "multi_thread")]
async fn detail_describes_the_folder() {
    let local = table_with_history().await;
    let detail = local.run("DESCRIBE DETAIL t").await;
    assert_eq!(detail.cell(0, "format"), "delta");
    assert_eq!(detail.cell(0, "name"), "main.default.t");
    assert_eq!(detail.cell(0, "location"), local.table_dir("t").display().to_string());
    assert_eq!(detail.cell(0, "partitionColumns"), "[]");
    assert!(detail.cell(0, "properties").contains("\"owner.team\":\"lab\""), "{detail:?}");
    assert_eq!(detail.cell(0, "numFiles"), "1");
}
