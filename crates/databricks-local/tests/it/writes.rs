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

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_is_null_deletes_nothing() {
    let local = Local::new();
    local.run("CREATE TABLE t AS SELECT * FROM VALUES (1, 10), (2, NULL) AS v(id, n)").await;
    let conditions = [
        "NULL",
        "FALSE",
        "n = NULL",
        "id <> NULL",
        "CASE WHEN id = 1 THEN NULL ELSE NULL END",
        "NOT (n = NULL)",
        "n = NULL AND id = 1",
        "id IN (NULL)",
        "id NOT IN (1, NULL)",
    ];
    for condition in conditions {
        let sql = format!("DELETE FROM t WHERE {condition}");
        assert_eq!(local.run(&sql).await.texts(), [["0"]], "{sql}");
    }
    let null = local.run_with_null("DELETE FROM t WHERE id = :x", "x", "INT").await;
    assert_eq!(null.texts(), [["0"]]);
    let null = local.run_with_null("DELETE FROM t WHERE :x", "x", "BOOLEAN").await;
    assert_eq!(null.texts(), [["0"]]);
    assert_eq!(local.version("t").await, 0, "nothing to delete makes no version");
    assert_eq!(local.run("DELETE FROM t WHERE n = NULL OR id = 1").await.texts(), [["1"]]);
    assert_eq!(local.run("DELETE FROM t WHERE 1 = 1").await.texts(), [["1"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_null_condition_on_partition_columns_deletes_nothing() {
    let local = Local::new();
    local.run("CREATE TABLE t (id INT, p INT) PARTITIONED BY (p)").await;
    local.run("INSERT INTO t VALUES (1, 0), (2, 1), (3, 2), (4, NULL)").await;
    let kept = [
        "p = NULL",
        "p > 5 OR NULL",
        "p <> NULL",
        "CASE WHEN p = 1 THEN NULL ELSE FALSE END",
        "p NOT IN (7, NULL)",
        "p > 0 AND NULL",
        "NOT (p > 0 OR NULL)",
        "(id = NULL) OR p > 5",
    ];
    for condition in kept {
        let sql = format!("DELETE FROM t WHERE {condition}");
        assert_eq!(local.run(&sql).await.texts(), [["0"]], "{sql}");
    }
    assert_eq!(local.run("DELETE FROM t WHERE p > 1 OR NULL").await.texts(), [["1"]]);
    let null = local.run_with_null("DELETE FROM t WHERE p = :x OR p = 1", "x", "INT").await;
    assert_eq!(null.texts(), [["1"]]);
    assert_eq!(local.run("SELECT id FROM t ORDER BY id").await.texts(), [["1"], ["4"]]);
    assert_eq!(local.run("DELETE FROM t WHERE p IS NULL").await.texts(), [["1"]]);
    assert_eq!(local.run("DELETE FROM t WHERE p < 1").await.texts(), [["1"]]);
    assert!(local.run("SELECT * FROM t").await.rows.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_is_deleted_whatever_characters_its_value_has() {
    let local = Local::new();
    local.run("CREATE TABLE t (id INT, p STRING) PARTITIONED BY (p)").await;
    local.run("INSERT INTO t VALUES (1, 'a b'), (2, 'a%20b'), (3, 'x/y=z'), (4, 'ü'), (5, 'k')").await;
    for (left, value) in [(4, "a b"), (3, "a%20b"), (2, "x/y=z"), (1, "ü")] {
        let sql = format!("DELETE FROM t WHERE p = '{value}'");
        assert_eq!(local.run(&sql).await.texts(), [["1"]], "{sql}");
        assert_eq!(local.run("SELECT count(*) FROM t").await.texts(), [[left.to_string().as_str()]]);
    }
    assert_eq!(local.run("SELECT id FROM t").await.texts(), [["5"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_null_condition_updates_and_replaces_nothing() {
    let local = Local::new();
    local.run("CREATE TABLE t (id INT, p INT) PARTITIONED BY (p)").await;
    local.run("INSERT INTO t VALUES (1, 0), (2, 1)").await;
    for condition in ["NULL", "p = NULL", "p > 5 OR NULL", "id = NULL"] {
        let sql = format!("UPDATE t SET id = 9 WHERE {condition}");
        assert_eq!(local.run(&sql).await.texts(), [["0"]], "{sql}");
    }
    for condition in ["NULL", "p = NULL", "p > 5 OR NULL", "id = NULL"] {
        let sql = format!("INSERT INTO t REPLACE WHERE {condition} SELECT id, p FROM t WHERE FALSE");
        local.run(&sql).await;
        let rows = local.run("SELECT id, p FROM t ORDER BY id").await;
        assert_eq!(rows.texts(), [["1", "0"], ["2", "1"]], "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_text_in_a_partition_column_is_null() {
    let local = Local::new();
    local.run("CREATE TABLE t (id INT, p STRING) PARTITIONED BY (p)").await;
    local.run("INSERT INTO t VALUES (1, ''), (2, 'a'), (3, 'b')").await;
    local.run("UPDATE t SET p = '' WHERE id = 2").await;
    local.run("MERGE INTO t USING (SELECT 3 AS id, '' AS p UNION ALL SELECT 4, '') AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *").await;
    local.run("INSERT INTO t REPLACE WHERE id = 5 SELECT 5, ''").await;
    let rows = local.run("SELECT id, p IS NULL FROM t ORDER BY id").await;
    let expected: Vec<_> = ["1", "2", "3", "4", "5"].map(|id| vec![id, "true"]).into();
    assert_eq!(rows.texts(), expected);
    local.run("UPDATE t SET p = p, id = id + 1 WHERE id = 5").await;
    local.run("CREATE TABLE n (id INT, p STRING NOT NULL) PARTITIONED BY (p)").await;
    assert_eq!(local.fails("INSERT INTO n VALUES (1, '')").await.0, "DELTA_NOT_NULL_CONSTRAINT_VIOLATED");
}

#[tokio::test(flavor = "multi_thread")]
async fn not_null_names_the_column_whatever_the_statement() {
    let local = Local::new();
    local.run("CREATE TABLE t (id INT NOT NULL, n INT)").await;
    local.run("INSERT INTO t VALUES (1, 1)").await;
    let statements = [
        "INSERT INTO t VALUES (2, 2), (NULL, 3)",
        "INSERT INTO t REPLACE WHERE n = 1 SELECT NULL, 1",
        "UPDATE t SET id = NULL",
        "UPDATE t SET id = nullif(id, 1) WHERE n = 1",
        "MERGE INTO t USING (SELECT 1 AS k) AS s ON t.n = s.k WHEN MATCHED THEN UPDATE SET id = NULL",
        "MERGE INTO t USING (SELECT 2 AS k) AS s ON t.n = s.k WHEN NOT MATCHED THEN INSERT (n) VALUES (s.k)",
    ];
    for sql in statements {
        let failure = local.try_run(sql).await.expect_err(sql);
        let expected = "[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] NOT NULL constraint violated for column: id. SQLSTATE: 23502";
        assert_eq!(failure.message, expected, "{sql}");
    }
    assert_eq!(local.version("t").await, 1);
    assert_eq!(local.run("UPDATE t SET id = NULL WHERE n = 7").await.texts(), [["0"]]);
    local.run("MERGE INTO t USING (SELECT 1 AS k) AS s ON t.n = s.k WHEN MATCHED THEN UPDATE SET n = 2 WHEN NOT MATCHED THEN INSERT (n) VALUES (s.k)").await;
    assert_eq!(local.run("SELECT * FROM t").await.texts(), [["1", "2"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_keep_their_class_through_the_delta_builders() {
    let local = Local::new();
    local.run("CREATE TABLE t (k INT, d DATE)").await;
    local.run("INSERT INTO t VALUES (1, DATE'2024-01-01')").await;
    let cases = [
        ("DELETE FROM t WHERE d = '2024-01-01x'", "CAST_INVALID_INPUT", "22018"),
        ("UPDATE t SET k = 1 WHERE d = '2024-01-01x'", "CAST_INVALID_INPUT", "22018"),
        (
            "MERGE INTO t USING (SELECT 2 AS k) AS s ON t.k = s.k WHEN NOT MATCHED THEN INSERT (k) VALUES (2147483648)",
            "CAST_OVERFLOW_IN_TABLE_INSERT",
            "22003",
        ),
        ("UPDATE t SET k = 2147483648", "CAST_OVERFLOW_IN_TABLE_INSERT", "22003"),
        ("DELETE FROM t WHERE 1 / (k - 1) = 1", "DIVIDE_BY_ZERO", "22012"),
    ];
    for (sql, class, state) in cases {
        let failure = local.try_run(sql).await.expect_err(sql);
        assert!(failure.message.starts_with(&format!("[{class}] ")), "{sql}: {failure}");
        assert_eq!(failure.sql_state.as_deref(), Some(state), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replace_using_replaces_the_rows_that_agree() {
    let local = Local::new();
    local
        .run("CREATE TABLE t TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true') AS SELECT * FROM VALUES (1, 'x', 10), (1, 'y', 20), (2, 'x', 30), (NULL, 'x', 40) AS v(`a`, k, n)")
        .await;
    let answer = local.run("INSERT INTO t REPLACE USING (A, k) SELECT * FROM VALUES (1, 'x', 1), (1, 'x', 2), (3, 'z', 3), (NULL, 'x', 4)").await;
    assert_eq!(answer.columns, ["num_affected_rows", "num_inserted_rows"]);
    assert_eq!(answer.texts(), [["4", "4"]]);
    let rows = local.run("SELECT * FROM t ORDER BY n").await;
    assert_eq!(
        rows.texts(),
        [
            ["1", "x", "1"],
            ["1", "x", "2"],
            ["3", "z", "3"],
            ["NULL", "x", "4"],
            ["1", "y", "20"],
            ["2", "x", "30"],
            ["NULL", "x", "40"]
        ]
    );
    assert_eq!(local.version("t").await, 1);
    let changes =
        local.run("SELECT _change_type, count(*) FROM table_changes('t', 1) GROUP BY 1 ORDER BY 1").await;
    assert_eq!(changes.texts(), [["delete", "1"], ["insert", "4"]]);
    let history = local.run("DESCRIBE HISTORY t LIMIT 1").await;
    assert_eq!(history.cell(0, "operation"), "WRITE");
    local.run("INSERT INTO t REPLACE USING (k) SELECT * FROM t WHERE false").await;
    assert_eq!(local.run("SELECT count(*) FROM t").await.texts(), [["7"]]);
    assert_eq!(
        local.fails("INSERT INTO t REPLACE USING (nope) SELECT 1, 'a', 2").await.0,
        "UNRESOLVED_COLUMN.WITH_SUGGESTION"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_and_update_ask_queries() {
    let local = Local::new();
    local.run("CREATE TABLE t AS SELECT * FROM VALUES (1, 'a'), (1, 'a'), (2, 'b'), (3, NULL), (NULL, 'c') AS v(id, name)").await;
    local
        .run("CREATE TABLE u AS SELECT * FROM VALUES (1, 'one'), (3, 'three'), (NULL, 'none') AS v(id, word)")
        .await;
    let updated = local.run("UPDATE t AS x SET name = (SELECT max(u.word) FROM u WHERE u.id = x.id) WHERE EXISTS (SELECT 1 FROM u WHERE u.id = x.id)").await;
    assert_eq!(updated.texts(), [["3"]]);
    let rows = local.run("SELECT * FROM t ORDER BY id NULLS LAST, name").await;
    assert_eq!(rows.texts(), [["1", "one"], ["1", "one"], ["2", "b"], ["3", "three"], ["NULL", "c"]]);
    let history = local.run("DESCRIBE HISTORY t LIMIT 1").await;
    assert_eq!(history.cell(0, "operation"), "UPDATE");
    assert_eq!(
        local.run("DELETE FROM t WHERE id NOT IN (SELECT id FROM u)").await.texts(),
        [["0"]],
        "a NULL in the list"
    );
    assert_eq!(
        local.fails("DELETE FROM t WHERE id NOT IN (SELECT id FROM u) OR name = 'z'").await.0,
        "UNSUPPORTED_FEATURE.LOCAL_WORKSPACE"
    );
    assert_eq!(
        local.run("DELETE FROM t x WHERE x.id IN (SELECT id FROM u WHERE word <> 'three')").await.texts(),
        [["2"]]
    );
    assert_eq!(
        local.run("DELETE FROM t WHERE id > (SELECT min(id) FROM u) AND name = 'b'").await.texts(),
        [["1"]]
    );
    let rows = local.run("SELECT * FROM t ORDER BY id NULLS LAST").await;
    assert_eq!(rows.texts(), [["3", "three"], ["NULL", "c"]]);
    assert_eq!(local.run("DELETE FROM t WHERE EXISTS (SELECT 1 FROM u)").await.texts(), [["2"]]);
    assert_eq!(
        local.fails("DELETE FROM t WHERE nope IN (SELECT id FROM u)").await.0,
        "UNRESOLVED_COLUMN.WITH_SUGGESTION"
    );
    assert_eq!(local.fails("UPDATE t SET id = (SELECT id FROM u), ID = 2").await.0, "DUPLICATE_ASSIGNMENTS");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_has_its_source_s_rows_and_shape() {
    let local = Local::new();
    local
        .run("CREATE TABLE t (id INT NOT NULL COMMENT 'key', p STRING) PARTITIONED BY (p) COMMENT 'goods' TBLPROPERTIES ('delta.columnMapping.mode' = 'name', 'team' = 'lab')")
        .await;
    local.run("INSERT INTO t VALUES (1, 'x'), (2, 'y')").await;
    local.run("INSERT INTO t VALUES (3, 'x')").await;
    let answer =
        local.run("CREATE TABLE c DEEP CLONE t VERSION AS OF 1 TBLPROPERTIES ('team' = 'other')").await;
    assert_eq!(answer.columns[0], "source_table_size");
    assert_eq!(answer.cell(0, "source_num_of_files"), "2");
    assert_eq!(local.run("SELECT * FROM c ORDER BY id").await.texts(), [["1", "x"], ["2", "y"]]);
    assert_eq!(local.version("c").await, 0);
    let detail = local.run("DESCRIBE DETAIL c").await;
    assert_eq!((detail.cell(0, "description"), detail.cell(0, "partitionColumns")), ("goods", r#"["p"]"#));
    assert!(detail.cell(0, "properties").contains(r#""team":"other""#), "{detail:?}");
    assert_eq!(local.run("DESCRIBE HISTORY c").await.cell(0, "operation"), "CLONE");
    assert_ne!(detail.cell(0, "id"), local.run("DESCRIBE DETAIL t").await.cell(0, "id"));
    assert_eq!(local.fails("CREATE TABLE c CLONE t").await.0, "TABLE_OR_VIEW_ALREADY_EXISTS");
    local.run("CREATE OR REPLACE TABLE c CLONE t").await;
    assert_eq!(local.run("SELECT count(*) FROM c").await.texts(), [["3"]]);
    assert_eq!(local.version("c").await, 1);
    assert_eq!(local.fails("CREATE TABLE d SHALLOW CLONE t").await.0, "UNSUPPORTED_FEATURE.LOCAL_WORKSPACE");
    assert_eq!(local.fails("CREATE TABLE d CLONE nope").await.0, "TABLE_OR_VIEW_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn table_changes_tells_what_versions_did() {
    let local = Local::new();
    local.run("CREATE TABLE t (id INT, p STRING) PARTITIONED BY (p)").await;
    local.run("INSERT INTO t VALUES (1, 'x')").await;
    local.run("ALTER TABLE t SET TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')").await;
    local.run("INSERT INTO t VALUES (2, 'y')").await;
    local.run("UPDATE t SET id = 20 WHERE id = 2").await;
    local.run("DELETE FROM t WHERE id = 1").await;
    let all = local.run("SELECT * FROM table_changes('main.default.`t`', 3)").await;
    assert_eq!(all.columns, ["id", "p", "_change_type", "_commit_version", "_commit_timestamp"]);
    let rows = local
        .run("SELECT id, p, _change_type, _commit_version FROM table_changes('t', 3, 5) ORDER BY 4, 3, 1")
        .await;
    assert_eq!(
        rows.texts(),
        [
            ["2", "y", "insert", "3"],
            ["20", "y", "update_postimage", "4"],
            ["2", "y", "update_preimage", "4"],
            ["1", "x", "delete", "5"],
        ]
    );
    let one = local
        .run("SELECT c.id FROM table_changes('t', 4, 4) AS c WHERE c._change_type = 'update_postimage'")
        .await;
    assert_eq!(one.texts(), [["20"]]);
    for (call, class) in [
        ("table_changes('t', 1)", "DELTA_MISSING_CHANGE_DATA"),
        ("table_changes('t', 5, 3)", "DELTA_INVALID_CDC_RANGE"),
        ("table_changes('t', 99)", "DELTA_VERSION_NOT_FOUND"),
        ("table_changes('nope', 0)", "TABLE_OR_VIEW_NOT_FOUND"),
        ("table_changes('t')", "WRONG_NUM_ARGS.WITHOUT_SUGGESTION"),
    ] {
        assert_eq!(local.fails(&format!("SELECT * FROM {call}")).await.0, class, "{call}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewrite_is_no_change_to_the_feed() {
    let local = Local::new();
    local
        .run("CREATE TABLE t TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true', 'delta.enableTypeWidening' = 'true') AS SELECT 1 AS id, 2 AS n")
        .await;
    local.run("ALTER TABLE t ALTER COLUMN n TYPE BIGINT").await;
    let refused = local.fails("SELECT * FROM table_changes('t', 0)").await;
    assert_eq!(
        refused.0, "UNSUPPORTED_FEATURE.LOCAL_WORKSPACE",
        "columns of other types are not read as if they were these"
    );
    assert!(local.run("SELECT * FROM table_changes('t', 1)").await.rows.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn create_table_as_select_takes_its_whole_tail() {
    let local = Local::new();
    local
        .run(
            "CREATE TABLE t USING DELTA CLUSTER BY (id) COMMENT 'it\\'s all'
             TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true', team = 'lab', 'delta.columnMapping.mode' = 'name')
             AS SELECT 1 AS id, 'a' AS `a name`",
        )
        .await;
    assert_eq!(local.version("t").await, 0);
    let detail = local.run("DESCRIBE DETAIL t").await;
    assert_eq!(
        (detail.cell(0, "description"), detail.cell(0, "clusteringColumns")),
        ("it's all", r#"["id"]"#)
    );
    let properties = detail.cell(0, "properties");
    assert!(
        properties.contains(r#""team":"lab""#) && properties.contains("enableChangeDataFeed"),
        "{properties}"
    );
    local.run("INSERT OVERWRITE t (`a name`) VALUES ('b')").await;
    assert_eq!(local.run("SELECT * FROM t").await.texts(), [["NULL", "b"]]);
    for (sql, class) in [
        ("CREATE TABLE u CLUSTER BY (nope) AS SELECT 1 AS id", "UNRESOLVED_COLUMN.WITH_SUGGESTION"),
        (
            "CREATE TABLE u PARTITIONED BY (a) CLUSTER BY (b) AS SELECT 1 AS a, 2 AS b",
            "SPECIFY_CLUSTER_BY_WITH_PARTITIONED_BY_IS_NOT_ALLOWED",
        ),
        ("CREATE TABLE u TBLPROPERTIES ('delta.nope' = '1') AS SELECT 1 AS a", "DELTA_UNKNOWN_CONFIGURATION"),
        ("CREATE TABLE u AS SELECT 1 AS `a b`", "DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES"),
        ("CREATE TABLE u AS SELECT CAST('x' AS INT) AS a", "CAST_INVALID_INPUT"),
    ] {
        assert_eq!(local.fails(sql).await.0, class, "{sql}");
        assert!(!local.table_dir("u").exists(), "{sql}");
    }
}
