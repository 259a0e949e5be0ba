//! MERGE in its clause forms.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array};

use crate::local::{Local, write_parquet};

async fn target() -> Local {
    let local = Local::new();
    local
        .run("CREATE TABLE t AS SELECT * FROM VALUES (1, 'one'), (2, 'two'), (3, 'three') AS v(id, name)")
        .await;
    local.run("CREATE TABLE s AS SELECT * FROM VALUES (2, 'TWO'), (4, 'FOUR') AS v(id, name)").await;
    local
}

async fn rows(local: &Local) -> Vec<Vec<String>> {
    let answer = local.run("SELECT id, name FROM t ORDER BY id").await;
    answer.texts().into_iter().map(|row| row.into_iter().map(str::to_owned).collect()).collect()
}

fn expected(rows: &[(&str, &str)]) -> Vec<Vec<String>> {
    rows.iter().map(|(id, name)| vec![(*id).to_owned(), (*name).to_owned()]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn upsert_with_stars() {
    let local = target().await;
    let answer = local
        .run("MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *")
        .await;
    assert_eq!(
        answer.columns,
        ["num_affected_rows", "num_updated_rows", "num_deleted_rows", "num_inserted_rows"]
    );
    assert_eq!(answer.texts(), [["2", "1", "0", "1"]]);
    assert_eq!(rows(&local).await, expected(&[("1", "one"), ("2", "TWO"), ("3", "three"), ("4", "FOUR")]));
    assert_eq!(local.version("t").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_clause_kind_in_one_statement() {
    let local = target().await;
    let sql = "MERGE INTO t AS target USING (SELECT id, name FROM s UNION ALL SELECT 1, 'drop') AS source ON target.id = source.id
        WHEN MATCHED AND source.name = 'drop' THEN DELETE
        WHEN MATCHED THEN UPDATE SET name = concat(target.name, '+', source.name)
        WHEN NOT MATCHED AND source.id > 3 THEN INSERT (id, name) VALUES (source.id, lower(source.name))
        WHEN NOT MATCHED BY SOURCE AND target.id = 3 THEN UPDATE SET name = 'left'";
    assert_eq!(local.run(sql).await.texts(), [["4", "2", "1", "1"]]);
    assert_eq!(rows(&local).await, expected(&[("2", "two+TWO"), ("3", "left"), ("4", "four")]));
    local.run("MERGE INTO t USING s ON t.id = s.id WHEN NOT MATCHED BY SOURCE THEN DELETE").await;
    assert_eq!(rows(&local).await, expected(&[("2", "two+TWO"), ("4", "four")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_may_be_values_and_staged_files() {
    let local = target().await;
    local.run("MERGE INTO t USING (SELECT * FROM VALUES (1, 'uno') AS v(id, name)) AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET t.name = s.name").await;
    local.run("CREATE VOLUME stage").await;
    let ids: ArrayRef = Arc::new(Int32Array::from(vec![3]));
    write_parquet(&local.volume_dir("stage").join("w/part.parquet"), vec![("id", ids)]);
    local.run("MERGE INTO t USING (SELECT CAST(`id` AS INT) AS `id` FROM read_files('/Volumes/main/default/stage/w/', format => 'parquet')) AS s ON t.id = s.id WHEN MATCHED THEN DELETE").await;
    assert_eq!(rows(&local).await, expected(&[("1", "uno"), ("2", "two")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_source_rows_for_one_target_row_are_refused() {
    let local = target().await;
    local.run("INSERT INTO s VALUES (2, 'again')").await;
    let sql = "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET name = s.name";
    let expected = ("DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE".into(), "21506".into());
    assert_eq!(local.fails(sql).await, expected);
    assert_eq!(local.version("t").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_breaks_a_rule_changes_nothing() {
    let local = Local::new();
    local.run("CREATE TABLE t (id INT NOT NULL, n TINYINT)").await;
    local.run("INSERT INTO t VALUES (1, 1)").await;
    let null = "MERGE INTO t USING (SELECT 2 AS id) AS s ON t.id = s.id WHEN NOT MATCHED THEN INSERT (n) VALUES (s.id)";
    assert_eq!(local.fails(null).await, ("DELTA_NOT_NULL_CONSTRAINT_VIOLATED".into(), "23502".into()));
    let overflow = "MERGE INTO t USING (SELECT 1 AS id, 300 AS n) AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET n = s.n";
    assert_eq!(local.fails(overflow).await.1, "22003");
    assert_eq!(local.version("t").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_brings_columns_along_in_its_own_version() {
    let local = Local::new();
    local.run("CREATE TABLE t (id INT, name STRING) PARTITIONED BY (name) COMMENT 'goods' TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')").await;
    local.run("INSERT INTO t VALUES (1, 'a'), (2, 'b')").await;
    let id = local.run("DESCRIBE DETAIL t").await.cell(0, "id").to_owned();
    let merge = "MERGE WITH SCHEMA EVOLUTION INTO t USING (SELECT * FROM VALUES (2, 'new', DATE'2024-01-01'), (3, 'c', NULL) AS v(id, extra, `day`)) AS s ON t.id = s.id
        WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *";
    let answer = local.run(merge).await;
    assert_eq!(answer.texts(), [["2", "1", "0", "1"]]);
    let rows = local.run("SELECT id, name, extra, day FROM t ORDER BY id").await;
    assert_eq!(
        rows.texts(),
        [["1", "a", "NULL", "NULL"], ["2", "b", "new", "2024-01-01"], ["3", "NULL", "c", "NULL"]]
    );
    assert_eq!(local.version("t").await, 2);
    let detail = local.run("DESCRIBE DETAIL t").await;
    assert_eq!((detail.cell(0, "id"), detail.cell(0, "description")), (id.as_str(), "goods"));
    let history = local.run("DESCRIBE HISTORY t LIMIT 1").await;
    assert_eq!((history.cell(0, "operation"), history.cell(0, "readVersion")), ("MERGE", "1"));
    let changes = local.run("SELECT _change_type, id, extra FROM table_changes('t', 2) ORDER BY 1, 2").await;
    assert_eq!(
        changes.texts(),
        [["insert", "3", "c"], ["update_postimage", "2", "new"], ["update_preimage", "2", "NULL"]]
    );
    assert_eq!(std::fs::read_dir(local.workspace().path().join("metastore/staging")).unwrap().count(), 0);
    // Only what is assigned comes along.
    local.run("MERGE WITH SCHEMA EVOLUTION INTO t USING (SELECT 1 AS id, 5 AS wanted, 6 AS other) AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET wanted = s.wanted").await;
    assert_eq!(local.run("SELECT wanted FROM t WHERE id = 1").await.texts(), [["5"]]);
    assert_eq!(local.fails("SELECT other FROM t").await.0, "UNRESOLVED_COLUMN.WITH_SUGGESTION");
    let twice = "MERGE WITH SCHEMA EVOLUTION INTO t USING (SELECT * FROM VALUES (1, 1), (1, 2) AS v(id, z)) AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET *";
    assert_eq!(local.fails(twice).await.0, "DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE");
    assert_eq!(local.version("t").await, 3);
    assert_eq!(local.fails("SELECT z FROM t").await.0, "UNRESOLVED_COLUMN.WITH_SUGGESTION");
}
