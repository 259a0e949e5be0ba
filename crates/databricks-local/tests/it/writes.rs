//! INSERT, CTAS, UPDATE, DELETE: one commit each, counted as Databricks counts.

use crate::local::Local;

#[tokio::test(flavor = "multi_thread")]
async fn insert_answers_its_counts_and_makes_one_commit() {
    let local = Local::new();
    local.run("CREATE TABLE t (id INT NOT NULL, name STRING, price DECIMAL(6,2))").await;
    let answer = local.run("INSERT INTO t VALUES (1, 'a', 1.5), (2, 'b', NULL)").await;
    assert_eq!(answer.columns, ["num_affected_rows", "num_inserted_rows"]);
    assert_eq!(answer.texts(), [["2", "2"]]);
    assert_eq!(local.version("t").await, 1);
    local.run("INSERT INTO t (name, id) VALUES ('c', 3)").await;
    let rows = local.run("SELECT id, name, price FROM t ORDER BY id").await;
    assert_eq!(rows.texts(), [["1", "a", "1.50"], ["2", "b", "NULL"], ["3", "c", "NULL"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_insert_leaves_no_version_and_no_file() {
    let local = Local::new();
    local.run("CREATE TABLE t (id INT NOT NULL)").await;
    assert_eq!(local.fails("INSERT INTO t VALUES (1), (NULL)").await.0, "DELTA_NOT_NULL_CONSTRAINT_VIOLATED");
    assert_eq!(local.version("t").await, 0);
    let files = std::fs::read_dir(local.table_dir("t")).unwrap().flatten();
    let names: Vec<_> = files.map(|entry| entry.file_name()).collect();
    assert_eq!(names, ["_delta_log"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn overwrite_replaces_all_rows_in_one_commit() {
    let local = Local::new();
    local.run("CREATE TABLE t AS SELECT * FROM VALUES (1), (2) AS v(id)").await;
    local.run("INSERT OVERWRITE t VALUES (7)").await;
    assert_eq!(local.run("SELECT id FROM t").await.texts(), [["7"]]);
    assert_eq!(local.run("SELECT id FROM t VERSION AS OF 0 ORDER BY id").await.texts(), [["1"], ["2"]]);
    assert_eq!(local.version("t").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn replace_where_replaces_what_matches() {
    let local = Local::new();
    local.run("CREATE TABLE t AS SELECT * FROM VALUES (1, 'a'), (2, 'b') AS v(id, name)").await;
    let answer = local.run("INSERT INTO t REPLACE WHERE id = 2 SELECT 2, 'B'").await;
    assert_eq!(answer.texts(), [["1", "1"]]);
    assert_eq!(local.run("SELECT * FROM t ORDER BY id").await.texts(), [["1", "a"], ["2", "B"]]);
    assert_eq!(
        local.fails("INSERT INTO t REPLACE WHERE id = 2 SELECT 3, 'x'").await.0,
        "DELTA_REPLACE_WHERE_MISMATCH"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn update_and_delete_count_rows_and_keep_null_conditions() {
    let local = Local::new();
    local
        .run("CREATE TABLE t AS SELECT * FROM VALUES (1, 10), (2, 20), (3, CAST(NULL AS INT)) AS v(id, n)")
        .await;
    let updated = local.run("UPDATE t AS x SET n = x.n + 1 WHERE x.n > 15").await;
    assert_eq!(
        (updated.columns, updated.rows),
        (vec!["num_affected_rows".into()], vec![vec![Some("1".into())]])
    );
    let deleted = local.run("DELETE FROM t WHERE n < 15").await;
    assert_eq!(deleted.texts(), [["1"]]);
    assert_eq!(local.run("SELECT * FROM t ORDER BY id").await.texts(), [["2", "21"], ["3", "NULL"]]);
    assert_eq!(local.version("t").await, 2);
    assert_eq!(local.run("DELETE FROM t").await.texts(), [["2"]]);
    assert!(local.run("SELECT * FROM t").await.rows.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn create_table_as_select_is_one_version_with_rows() {
    let local = Local::new();
    let answer = local
        .run("CREATE TABLE t PARTITIONED BY (k) AS SELECT * FROM VALUES (1, 'x'), (2, 'y') AS v(id, k)")
        .await;
    assert_eq!(answer.texts(), [["2", "2"]]);
    let table = local.delta("t").await;
    assert_eq!(table.version(), Some(0));
    assert_eq!(table.snapshot().unwrap().metadata().partition_columns(), &["k".to_owned()]);
    assert_eq!(local.run("SELECT id FROM t WHERE k = 'y'").await.texts(), [["2"]]);
    local.run("CREATE OR REPLACE TABLE t AS SELECT 'z' AS other").await;
    assert_eq!(local.run("SELECT * FROM t").await.texts(), [["z"]]);
    assert_eq!(local.run("SELECT count(*) FROM t VERSION AS OF 0").await.texts(), [["2"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_create_table_as_select_leaves_nothing() {
    let local = Local::new();
    assert_eq!(
        local.fails("CREATE TABLE t AS SELECT 1 / (id - 1) AS x FROM VALUES (1) AS v(id)").await.0,
        "DIVIDE_BY_ZERO"
    );
    assert!(!local.table_dir("t").exists());
    assert_eq!(std::fs::read_dir(local.workspace().path().join("metastore/staging")).unwrap().count(), 0);
    local.run("CREATE TABLE t (id INT)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_one_table_wait_for_each_other() {
    let local = Local::new();
    local.run("CREATE TABLE t (n INT)").await;
    local.run("INSERT INTO t VALUES (0)").await;
    let updates = (0..6).map(|_| local.run("UPDATE t SET n = n + 1"));
    futures::future::join_all(updates).await;
    assert_eq!(local.run("SELECT n FROM t").await.texts(), [["6"]]);
    assert_eq!(local.version("t").await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tenth_version_has_a_checkpoint() {
    let local = Local::new();
    local.run("CREATE TABLE t (n INT)").await;
    for n in 0..10 {
        local.run(&format!("INSERT INTO t VALUES ({n})")).await;
    }
    let log = local.table_dir("t").join("_delta_log");
    assert!(log.join("_last_checkpoint").exists());
    assert!(log.join("00000000000000000010.checkpoint.parquet").exists());
    assert_eq!(local.run("SELECT count(*), sum(n) FROM t").await.texts(), [["10", "45"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitioned_tables_are_changed_like_others() {
    let local = Local::new();
    local.run("CREATE TABLE t (id INT, k STRING, d DATE) PARTITIONED BY (k, d)").await;
    local
        .run("INSERT INTO t VALUES (1, 'a', DATE'2024-01-01'), (2, 'b', DATE'2024-01-02'), (3, NULL, NULL)")
        .await;
    local.run("UPDATE t SET id = 20, k = 'c' WHERE k = 'b' AND d = DATE'2024-01-02'").await;
    assert_eq!(local.run("DELETE FROM t WHERE k = 'a'").await.texts(), [["1"]]);
    local.run("MERGE INTO t USING (SELECT 4 AS id, 'd' AS k, DATE'2024-02-01' AS d) AS s ON t.id = s.id AND t.k = s.k WHEN NOT MATCHED THEN INSERT *").await;
    let rows = local.run("SELECT * FROM t ORDER BY id").await;
    assert_eq!(rows.texts(), [["3", "NULL", "NULL"], ["4", "d", "2024-02-01"], ["20", "c", "2024-01-02"]]);
    assert_eq!(local.run("SELECT count(*) FROM t WHERE d > DATE'2024-01-15'").await.texts(), [["1"]]);
}
