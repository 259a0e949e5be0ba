//! OPTIMIZE and VACUUM.

use crate::local::Local;

async fn many_files() -> Local {
    let local = Local::new();
    local.run("CREATE TABLE t (id INT, k INT)").await;
    for n in 0..4 {
        local.run(&format!("INSERT INTO t VALUES ({n}, {})", 10 - n)).await;
    }
    local
}

fn files(local: &Local) -> usize {
    let entries = std::fs::read_dir(local.table_dir("t")).unwrap().flatten();
    entries.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "parquet")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn optimize_compacts_in_one_commit_and_keeps_the_rows() {
    let local = many_files().await;
    let answer = local.run("OPTIMIZE t").await;
    assert_eq!(answer.columns, ["path", "metrics"]);
    let metrics = answer.cell(0, "metrics");
    assert!(
        metrics.contains("\"numFilesAdded\":1") && metrics.contains("\"numFilesRemoved\":4"),
        "{metrics}"
    );
    assert_eq!(local.version("t").await, 5);
    assert_eq!(local.run("SELECT id FROM t ORDER BY id").await.texts(), [["0"], ["1"], ["2"], ["3"]]);
    let history = local.run("DESCRIBE HISTORY t LIMIT 1").await;
    assert_eq!(history.cell(0, "operation"), "OPTIMIZE");
    assert!(history.cell(0, "operationMetrics").contains("\"numRemovedFiles\":\"4\""), "{history:?}");
    let again = local.run("OPTIMIZE t").await;
    assert!(again.cell(0, "metrics").contains("\"numFilesAdded\":0"), "{again:?}");
    assert_eq!(local.version("t").await, 5, "nothing to do makes no version");
}

#[tokio::test(flavor = "multi_thread")]
async fn zorder_keeps_the_rows_and_reports_its_strategy() {
    let local = many_files().await;
    let answer = local.run("OPTIMIZE t ZORDER BY (K, id)").await;
    assert!(answer.cell(0, "metrics").contains("\"strategyName\":\"all\""), "{answer:?}");
    assert_eq!(local.run("SELECT count(*), sum(k) FROM t").await.texts(), [["4", "34"]]);
    assert_eq!(local.fails("OPTIMIZE t ZORDER BY (nope)").await.1, "42703");
}

#[tokio::test(flavor = "multi_thread")]
async fn vacuum_guards_its_retention_and_lists_before_it_deletes() {
    let local = many_files().await;
    local.run("OPTIMIZE t").await;
    let short = local.fails("VACUUM t RETAIN 0 HOURS").await;
    assert_eq!(short, ("DELTA_VACUUM_RETENTION_PERIOD_TOO_SHORT".into(), "22003".into()));
    assert!(local.run("VACUUM t DRY RUN").await.rows.is_empty(), "young files are kept");
    local
        .run("ALTER TABLE t SET TBLPROPERTIES ('delta.deletedFileRetentionDuration' = 'interval 0 hours')")
        .await;
    assert_eq!(local.run("VACUUM t RETAIN 0 HOURS DRY RUN").await.rows.len(), 4);
    assert_eq!(files(&local), 5);
    let answer = local.run("VACUUM t RETAIN 0 HOURS").await;
    assert_eq!((answer.columns.as_slice(), answer.rows.len()), (["path".to_owned()].as_slice(), 1));
    assert_eq!(files(&local), 1);
    assert_eq!(local.run("SELECT count(*) FROM t").await.texts(), [["4"]]);
    let operations = local.run("DESCRIBE HISTORY t LIMIT 2").await;
    assert_eq!(
        (operations.cell(0, "operation"), operations.cell(1, "operation")),
        ("VACUUM END", "VACUUM START")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn optimize_orders_clustered_tables_and_compacts_mapped_ones() {
    let local = Local::new();
    local.run("CREATE TABLE t (id INT, d STRUCT<e: INT>) CLUSTER BY (id, d.e)").await;
    for n in [3, 1, 2] {
        local.run(&format!("INSERT INTO t (id) VALUES ({n}), ({})", n + 10)).await;
    }
    local.run("OPTIMIZE t").await;
    assert_eq!(local.version("t").await, 4);
    let detail = local.run("DESCRIBE DETAIL t").await;
    assert_eq!(detail.cell(0, "numFiles"), "1");
    assert_eq!(local.run("SELECT id FROM t").await.texts(), [["1"], ["2"], ["3"], ["11"], ["12"], ["13"]]);
    let history = local.run("DESCRIBE HISTORY t LIMIT 1").await;
    assert_eq!(history.cell(0, "operation"), "OPTIMIZE");
    assert!(history.cell(0, "operationMetrics").contains(r#""numRemovedFiles":"3""#), "{history:?}");
    local.run("OPTIMIZE t").await;
    assert_eq!(local.version("t").await, 4, "one file is as few as can be");
    local.run("OPTIMIZE t FULL").await;
    assert_eq!(local.version("t").await, 5);
    for (sql, class) in [
        ("OPTIMIZE t ZORDER BY (id)", "DELTA_CLUSTERING_WITH_ZORDER_BY"),
        ("OPTIMIZE t WHERE id = 1", "DELTA_CLUSTERING_WITH_PARTITION_PREDICATE"),
    ] {
        assert_eq!(local.fails(sql).await.0, class, "{sql}");
    }
    local.run("CREATE TABLE m (id INT, p STRING) PARTITIONED BY (p) TBLPROPERTIES ('delta.columnMapping.mode' = 'name')").await;
    assert_eq!(local.fails("OPTIMIZE m FULL").await.0, "DELTA_OPTIMIZE_FULL_NOT_SUPPORTED");
    local.run("INSERT INTO m VALUES (1, 'x'), (2, 'y')").await;
    local.run("OPTIMIZE m").await;
    assert_eq!(local.version("m").await, 1, "each partition has one file");
    local.run("INSERT INTO m VALUES (3, 'x')").await;
    local.run("OPTIMIZE m").await;
    assert_eq!(local.run("DESCRIBE DETAIL m").await.cell(0, "numFiles"), "2");
    assert_eq!(local.run("SELECT * FROM m ORDER BY id").await.texts(), [["1", "x"], ["2", "y"], ["3", "x"]]);
}
