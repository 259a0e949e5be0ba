//! ALTER TABLE: one version each, old rows read rightly, and what another reader of the folder finds.

use deltalake::kernel::StructField;

use crate::local::Local;

/// The columns as the log has them: `name type`, with a `!` for NOT NULL.
async fn columns(local: &Local, table: &str) -> Vec<String> {
    let schema = local.delta(table).await.snapshot().unwrap().schema();
    let shown = |field: &StructField| {
        format!("{} {}{}", field.name, field.data_type, if field.nullable { "" } else { "!" })
    };
    schema.fields().map(shown).collect()
}

/// The newest commit's operation and parameters.
async fn last(local: &Local, table: &str) -> (String, String) {
    let history = local.run(&format!("DESCRIBE HISTORY {table} LIMIT 1")).await;
    (history.cell(0, "operation").to_owned(), history.cell(0, "operationParameters").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn types_are_widened_with_their_rows_in_one_version() {
    let local = Local::new();
    local
        .run(
            "CREATE TABLE t (k INT NOT NULL, a TINYINT, f FLOAT, d DECIMAL(6,2), day DATE, s STRUCT<x: INT, y: STRING>,
             xs ARRAY<SMALLINT>, m MAP<STRING, STRUCT<v: INT>>) PARTITIONED BY (k)
             TBLPROPERTIES ('delta.enableTypeWidening' = 'true')",
        )
        .await;
    local.run("CREATE TABLE src (k INT, a TINYINT, f FLOAT, d DECIMAL(6,2), day DATE)").await;
    local.run("INSERT INTO t (k, a, f, d, day) VALUES (1, 2Y, 1.5F, 3.25, DATE'2024-02-29'), (2, NULL, NULL, NULL, NULL)").await;
    let steps = [
        ("a", "BIGINT"),
        ("f", "DOUBLE"),
        ("d", "DECIMAL(10,4)"),
        ("day", "TIMESTAMP_NTZ"),
        ("k", "BIGINT"),
        ("s.x", "DECIMAL(12,2)"),
        ("xs.element", "INT"),
        ("m.value.v", "BIGINT"),
    ];
    for (version, (column, to)) in (2..).zip(steps) {
        local.run(&format!("ALTER TABLE t ALTER COLUMN {column} TYPE {to}")).await;
        assert_eq!(local.version("t").await, version, "{column}");
        assert_eq!(last(&local, "t").await.0, "CHANGE COLUMN");
        let rows = local.run("SELECT k, a, f, d, day FROM t ORDER BY k").await;
        assert_eq!(rows.rows.len(), 2, "{column}");
    }
    let rows = local.run("SELECT k, a, f, d, day, s, xs, m FROM t ORDER BY k").await;
    assert_eq!(
        rows.texts(),
        [
            ["1", "2", "1.5", "3.2500", "2024-02-29T00:00:00.000", "NULL", "NULL", "NULL"],
            ["2", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL"]
        ]
    );
    local.run("INSERT INTO t (k, a) VALUES (3, 4000000000)").await;
    local.run("UPDATE t SET a = a + 1 WHERE k = 3").await;
    assert_eq!(local.run("SELECT a FROM t WHERE k = 3").await.texts(), [["4000000001"]]);
    assert_eq!(local.run("SELECT typeof(a) FROM t VERSION AS OF 1 LIMIT 1").await.texts(), [["tinyint"]]);
    let delta = local.delta("t").await;
    let features = delta.snapshot().unwrap().protocol().writer_features().unwrap_or_default().to_vec();
    assert!(!format!("{features:?}").contains("ypeWidening"), "{features:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_values_keep_through_a_widening() {
    let local = Local::new();
    let path = local.volume_dir("v").join("p.parquet");
    local.run("CREATE VOLUME v").await;
    nested_file(&path);
    local
        .run("CREATE TABLE t TBLPROPERTIES ('delta.enableTypeWidening' = 'true') AS SELECT * FROM read_files('/Volumes/main/default/v', format => 'parquet')")
        .await;
    for column in ["s.x", "xs.element", "xs2.element.y"] {
        local.run(&format!("ALTER TABLE t ALTER COLUMN {column} TYPE BIGINT")).await;
    }
    let rows = local.run("SELECT s, xs, xs2 FROM t").await;
    assert_eq!(rows.texts(), [[r#"{"x":1,"z":"q"}"#, "[1,2]", r#"[{"y":7}]"#]]);
    local.run("ALTER TABLE t ADD COLUMNS (s.w STRING AFTER x, xs2.element.v INT, s.z2 STRUCT<a: INT>)").await;
    let rows = local.run("SELECT s, xs2 FROM t").await;
    assert_eq!(rows.texts(), [[r#"{"x":1,"w":null,"z":"q","z2":null}"#, r#"[{"y":7,"v":null}]"#]]);
}

fn nested_file(path: &std::path::Path) {
    use arrow::array::{ArrayRef, Int32Array, ListArray, StringArray, StructArray};
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::{DataType, Field};
    use std::sync::Arc;
    let field = |name: &str, data_type: DataType| Arc::new(Field::new(name, data_type, true));
    let ints = |values: Vec<i32>| -> ArrayRef { Arc::new(Int32Array::from(values)) };
    let s = StructArray::from(vec![
        (field("x", DataType::Int32), ints(vec![1])),
        (field("z", DataType::Utf8), Arc::new(StringArray::from(vec!["q"])) as ArrayRef),
    ]);
    let one = |values: ArrayRef| -> ArrayRef {
        let element = field("element", values.data_type().clone());
        Arc::new(ListArray::new(element, OffsetBuffer::from_lengths([values.len()]), values, None))
    };
    let y = StructArray::from(vec![(field("y", DataType::Int32), ints(vec![7]))]);
    let columns =
        vec![("s", Arc::new(s) as ArrayRef), ("xs", one(ints(vec![1, 2]))), ("xs2", one(Arc::new(y)))];
    crate::local::write_parquet(path, columns);
}

#[tokio::test(flavor = "multi_thread")]
async fn type_changes_that_are_none_are_refused() {
    let local = Local::new();
    local.run("CREATE TABLE t (i INT, l BIGINT, s STRING, d DECIMAL(10,2), st STRUCT<a: INT>)").await;
    let off = "DELTA_UNSUPPORTED_ALTER_TABLE_CHANGE_COL_OP";
    assert_eq!(local.fails("ALTER TABLE t ALTER COLUMN i TYPE BIGINT").await, (off.into(), "0AKDC".into()));
    local.run("ALTER TABLE t SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true')").await;
    let never = "NOT_SUPPORTED_CHANGE_COLUMN";
    for (column, to, class) in [
        ("i", "SMALLINT", never),
        ("i", "STRING", off),
        ("i", "DECIMAL(9,0)", never),
        ("l", "DOUBLE", off),
        ("l", "DECIMAL(19,0)", never),
        ("d", "DECIMAL(10,3)", never),
        ("s", "INT", never),
        ("st", "STRUCT<a: BIGINT>", "CANNOT_UPDATE_FIELD.STRUCT_TYPE"),
        ("nope", "INT", "UNRESOLVED_COLUMN.WITH_SUGGESTION"),
        ("st.nope", "INT", "UNRESOLVED_COLUMN.WITH_SUGGESTION"),
    ] {
        let sql = format!("ALTER TABLE t ALTER COLUMN {column} TYPE {to}");
        assert_eq!(local.fails(&sql).await.0, class, "{sql}");
    }
    assert_eq!(local.version("t").await, 1);
    local.run("ALTER TABLE t ALTER COLUMN i TYPE INT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn not_null_is_checked_against_the_rows() {
    let local = Local::new();
    local.run("CREATE TABLE t AS SELECT * FROM VALUES (1, 'a'), (2, NULL) AS v(id, name)").await;
    let failure = local.fails("ALTER TABLE t ALTER COLUMN name SET NOT NULL").await;
    assert_eq!(failure, ("DELTA_NEW_NOT_NULL_VIOLATION".into(), "23512".into()));
    local.run("ALTER TABLE t ALTER COLUMN ID SET NOT NULL").await;
    assert_eq!(columns(&local, "t").await, ["id integer!", "name string"]);
    assert_eq!(local.fails("INSERT INTO t VALUES (NULL, 'x')").await.0, "DELTA_NOT_NULL_CONSTRAINT_VIOLATED");
    assert_eq!(local.fails("UPDATE t SET id = NULL").await.0, "DELTA_NOT_NULL_CONSTRAINT_VIOLATED");
    local.run("UPDATE t SET name = 'b' WHERE name IS NULL").await;
    local.run("ALTER TABLE t ALTER COLUMN name SET NOT NULL, id DROP NOT NULL").await;
    assert_eq!(columns(&local, "t").await, ["id integer", "name string!"]);
    local.run("INSERT INTO t VALUES (NULL, 'x')").await;
    assert_eq!(local.version("t").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn defaults_fill_what_a_row_does_not_say() {
    let local = Local::new();
    local.run("CREATE TABLE t (id INT, name STRING, n BIGINT)").await;
    let set = "ALTER TABLE t ALTER COLUMN name SET DEFAULT 'it\\'s; -- `x`'";
    assert_eq!(
        local.fails(set).await,
        ("WRONG_COLUMN_DEFAULTS_FOR_DELTA_FEATURE_NOT_ENABLED".into(), "0AKDE".into())
    );
    local.run("ALTER TABLE t SET TBLPROPERTIES ('delta.feature.allowColumnDefaults' = 'supported')").await;
    local.run(set).await;
    local.run("ALTER TABLE t ALTER COLUMN n SET DEFAULT 40 + 2;").await;
    assert_eq!(local.version("t").await, 3);
    local.run("INSERT INTO t (id) VALUES (1)").await;
    local.run("INSERT INTO t VALUES (2, DEFAULT, DEFAULT), (3, 'c', 7)").await;
    local.run("INSERT INTO t BY NAME SELECT 4 AS id").await;
    local.run("UPDATE t SET n = DEFAULT WHERE id = 3").await;
    local.run("MERGE INTO t USING (SELECT 5 AS id) AS s ON t.id = s.id WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, DEFAULT)").await;
    let text = "it's; -- `x`";
    let rows = local.run("SELECT * FROM t ORDER BY id").await;
    assert_eq!(
        rows.texts(),
        [["1", text, "42"], ["2", text, "42"], ["3", "c", "42"], ["4", text, "42"], ["5", text, "42"]]
    );
    let described = local.run("DESCRIBE TABLE t").await;
    assert_eq!(described.texts().last().unwrap(), &["n", "bigint", "40 + 2"]);
    local.run("ALTER TABLE t ALTER COLUMN n DROP DEFAULT").await;
    local.run("INSERT INTO t (id) VALUES (6)").await;
    assert_eq!(local.run("SELECT n FROM t WHERE id = 6").await.texts(), [["NULL"]]);
    for (default, class) in [
        ("'x'", "INVALID_DEFAULT_VALUE.DATA_TYPE"),
        ("(SELECT 1)", "INVALID_DEFAULT_VALUE.SUBQUERY_EXPRESSION"),
        ("id + 1", "INVALID_DEFAULT_VALUE.UNRESOLVED_EXPRESSION"),
        (":p", "INVALID_DEFAULT_VALUE.UNRESOLVED_EXPRESSION"),
    ] {
        let sql = format!("ALTER TABLE t ALTER COLUMN id SET DEFAULT {default}");
        assert_eq!(local.fails(&sql).await, (class.into(), "42623".into()), "{sql}");
    }
    let add = "ALTER TABLE t ADD COLUMNS (z INT DEFAULT 1)";
    assert_eq!(
        local.fails(add).await,
        ("WRONG_COLUMN_DEFAULTS_FOR_DELTA_ALTER_TABLE_ADD_COLUMN_NOT_SUPPORTED".into(), "0AKDC".into())
    );
    local
        .run("CREATE TABLE u (a INT, b DATE DEFAULT DATE'2020-01-01') TBLPROPERTIES ('delta.feature.allowColumnDefaults' = 'supported')")
        .await;
    local.run("INSERT INTO u (a) VALUES (1)").await;
    assert_eq!(local.run("SELECT * FROM u").await.texts(), [["1", "2020-01-01"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_added_where_they_are_asked_for() {
    let local = Local::new();
    local.run("CREATE TABLE t AS SELECT * FROM VALUES (1, 'a') AS v(id, name)").await;
    local.run("ALTER TABLE t ADD COLUMNS (first_one DATE COMMENT 'it\\'s' FIRST, mid INT AFTER ID, last_one TIMESTAMP_NTZ)").await;
    assert_eq!(
        columns(&local, "t").await,
        ["first_one date", "id integer", "mid integer", "name string", "last_one timestamp_ntz"]
    );
    assert_eq!(local.run("SELECT * FROM t").await.texts(), [["NULL", "1", "NULL", "a", "NULL"]]);
    let (operation, parameters) = last(&local, "t").await;
    assert_eq!(operation, "ADD COLUMNS");
    assert!(parameters.contains("after ID") && parameters.contains("first_one"), "{parameters}");
    local.run("INSERT INTO t VALUES (DATE'2024-01-01', 2, 3, 'b', TIMESTAMP_NTZ'2024-01-01 00:00:00')").await;
    local.run("ALTER TABLE t ALTER COLUMN name FIRST").await;
    local.run("ALTER TABLE t ALTER COLUMN id AFTER mid").await;
    assert_eq!(
        local.run("SELECT * FROM t WHERE id = 2").await.texts(),
        [["b", "2024-01-01", "3", "2", "2024-01-01T00:00:00.000"]]
    );
    for (add, class, state) in [
        ("n INT NOT NULL", "DELTA_OPERATION_NOT_ALLOWED", "0AKDC"),
        ("n STRUCT<a: INT NOT NULL>", "DELTA_OPERATION_NOT_ALLOWED", "0AKDC"),
        ("NAME INT", "FIELD_ALREADY_EXISTS", "42710"),
        ("n INT, N INT", "FIELD_ALREADY_EXISTS", "42710"),
        ("n INT AFTER nope", "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703"),
        ("id.n INT", "INVALID_FIELD_NAME", "42000"),
        ("`a b` INT", "DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES", "42K05"),
    ] {
        let sql = format!("ALTER TABLE t ADD COLUMNS ({add})");
        assert_eq!(local.fails(&sql).await, (class.into(), state.into()), "{sql}");
    }
    assert_eq!(local.version("t").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_renamed_and_dropped_under_column_mapping() {
    let local = Local::new();
    local
        .run("CREATE TABLE t PARTITIONED BY (p) AS SELECT * FROM VALUES (1, 'a', 'x') AS v(id, name, p)")
        .await;
    assert_eq!(
        local.fails("ALTER TABLE t RENAME COLUMN id TO key").await,
        ("DELTA_UNSUPPORTED_RENAME_COLUMN".into(), "0AKDC".into())
    );
    assert_eq!(
        local.fails("ALTER TABLE t DROP COLUMN id").await,
        ("DELTA_UNSUPPORTED_DROP_COLUMN".into(), "0AKDC".into())
    );
    local.run("ALTER TABLE t SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')").await;
    local.run("ALTER TABLE t RENAME COLUMN ID TO `the ``key``, 100%`").await;
    local.run("ALTER TABLE t RENAME COLUMN p TO part").await;
    local.run("ALTER TABLE t ADD COLUMN id STRING").await;
    local.run("INSERT INTO t VALUES (2, 'b', 'y', 'new')").await;
    local.run("UPDATE t SET name = 'B' WHERE `the ``key``, 100%` = 2").await;
    local.run("MERGE INTO t USING (SELECT 3 AS k) AS s ON t.`the ``key``, 100%` = s.k WHEN NOT MATCHED THEN INSERT (`the ``key``, 100%`, part) VALUES (s.k, 'x')").await;
    let all = "SELECT * FROM t ORDER BY 1";
    let rows = [["1", "a", "x", "NULL"], ["2", "B", "y", "new"], ["3", "NULL", "x", "NULL"]];
    assert_eq!(local.run(all).await.texts(), rows);
    assert_eq!(local.run("SELECT name FROM t WHERE part = 'y' AND id = 'new'").await.texts(), [["B"]]);
    local.run("OPTIMIZE t").await;
    assert_eq!(local.run(all).await.texts(), rows);
    local.run("ALTER TABLE t DROP COLUMNS (name)").await;
    local.run("ALTER TABLE t ADD COLUMN name STRING").await;
    assert_eq!(
        local.run("SELECT name FROM t WHERE id = 'new'").await.texts(),
        [["NULL"]],
        "no old value comes back"
    );
    assert_eq!(
        local.fails("ALTER TABLE t DROP COLUMN part").await,
        ("DELTA_UNSUPPORTED_DROP_PARTITION_COLUMN".into(), "0AKDC".into())
    );
    assert_eq!(local.fails("ALTER TABLE t RENAME COLUMN id TO NAME").await.0, "FIELD_ALREADY_EXISTS");
    assert_eq!(local.fails("ALTER TABLE t DROP COLUMN nope").await.0, "UNRESOLVED_COLUMN.WITH_SUGGESTION");
    let version = local.version("t").await;
    local.run("ALTER TABLE t DROP COLUMN IF EXISTS nope").await;
    assert_eq!(local.version("t").await, version);
    assert_eq!(
        local.fails("ALTER TABLE t SET TBLPROPERTIES ('delta.columnMapping.mode' = 'none')").await.0,
        "DELTA_UNSUPPORTED_COLUMN_MAPPING_MODE_CHANGE"
    );
    assert_eq!(local.run("SELECT name FROM t VERSION AS OF 0").await.texts(), [["a"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapped_table_takes_any_column_name_and_nesting() {
    let local = Local::new();
    local
        .run("CREATE TABLE t (`a b` INT, s STRUCT<`x y`: INT, z: STRING>, xs ARRAY<STRUCT<q: INT>>) TBLPROPERTIES ('delta.columnMapping.mode' = 'name', 'delta.enableTypeWidening' = 'true')")
        .await;
    local.run("INSERT INTO t (`a b`) VALUES (1)").await;
    local.run("ALTER TABLE t RENAME COLUMN s.`x y` TO x").await;
    local.run("ALTER TABLE t ALTER COLUMN s.x TYPE BIGINT").await;
    local.run("ALTER TABLE t DROP COLUMN s.z").await;
    local.run("ALTER TABLE t ADD COLUMN s.w DOUBLE").await;
    let rows = local.run("SELECT `a b`, s, s.x, xs FROM t").await;
    assert_eq!(rows.texts(), [["1", "NULL", "NULL", "NULL"]]);
    assert_eq!(
        local.fails("ALTER TABLE t DROP COLUMN xs.element.q").await.0,
        "DELTA_DROP_COLUMN_ON_SINGLE_FIELD_SCHEMA"
    );
    assert_eq!(
        local.fails("ALTER TABLE t DROP COLUMN xs.element").await.0,
        "DELTA_UNSUPPORTED_DROP_NESTED_COLUMN_FROM_NON_STRUCT_TYPE"
    );
    let parquet =
        walk(&local.table_dir("t")).into_iter().find(|p| p.extension().is_some_and(|e| e == "parquet"));
    let file = std::fs::File::open(parquet.unwrap()).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let names: Vec<String> = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert!(names.iter().all(|name| name.starts_with("col-")), "{names:?}");
    assert!(reader.schema().fields().iter().all(|field| field.metadata().contains_key("PARQUET:field_id")));
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn comments_are_set_and_taken_away() {
    let local = Local::new();
    local.run("CREATE TABLE t (id INT COMMENT 'old', s STRUCT<a: INT>)").await;
    local.run("ALTER TABLE t ALTER COLUMN id COMMENT 'it''s \"new\"'").await;
    local.run("COMMENT ON COLUMN main.default.t.s IS 'whole'").await;
    local.run("ALTER TABLE t ALTER COLUMN s.a COMMENT 'inner'").await;
    local.run("COMMENT ON TABLE t IS 'all of it'").await;
    let rows = local.run("DESCRIBE TABLE t").await;
    assert_eq!(rows.texts(), [["id", "int", "it's \"new\""], ["s", "struct<a:int>", "whole"]]);
    assert_eq!(local.run("DESCRIBE DETAIL t").await.cell(0, "description"), "all of it");
    assert_eq!(
        last(&local, "t").await,
        ("SET TBLPROPERTIES".into(), r#"{"properties":"{\"comment\":\"all of it\"}"}"#.into())
    );
    local.run("COMMENT ON TABLE t IS NULL").await;
    local.run("COMMENT ON COLUMN t.id IS NULL").await;
    assert_eq!(local.run("DESCRIBE DETAIL t").await.cell(0, "description"), "NULL");
    assert_eq!(local.run("DESCRIBE t").await.cell(0, "comment"), "NULL");
    local.run("COMMENT ON SCHEMA default IS 'home'").await;
    local.run("COMMENT ON CATALOG main IS 'house'").await;
    let schema = local.run("SELECT comment FROM information_schema.schemata").await;
    assert_eq!(schema.texts(), [["home"]]);
    assert_eq!(local.fails("COMMENT ON TABLE nope IS 'x'").await.0, "TABLE_OR_VIEW_NOT_FOUND");
    assert_eq!(local.fails("COMMENT ON COLUMN t.nope IS 'x'").await.0, "UNRESOLVED_COLUMN.WITH_SUGGESTION");
    assert_eq!(local.version("t").await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_are_set_and_unset() {
    let local = Local::new();
    local.run("CREATE TABLE t (id INT)").await;
    local
        .run("ALTER TABLE t SET TBLPROPERTIES ('Team' = 'lab', 'DELTA.enablechangedatafeed' = 'true')")
        .await;
    local.run("ALTER TABLE t SET TBLPROPERTIES (delta.enableTypeWidening = true, 'delta.feature.timestampNtz' = 'supported')").await;
    let shown = local.run("SHOW TBLPROPERTIES t").await;
    let shown: Vec<String> = shown.texts().iter().map(|row| row.join("=")).collect();
    for expected in [
        "Team=lab",
        "delta.enableChangeDataFeed=true",
        "delta.enableTypeWidening=true",
        "delta.feature.typeWidening=supported",
        "delta.feature.timestampNtz=supported",
        "delta.minReaderVersion=3",
        "delta.minWriterVersion=7",
    ] {
        assert!(shown.iter().any(|line| line == expected), "{expected} is not in {shown:?}");
    }
    let failure = local.fails("ALTER TABLE t UNSET TBLPROPERTIES ('Team', 'nope')").await;
    assert_eq!(failure, ("DELTA_UNSET_NON_EXISTENT_PROPERTY".into(), "42616".into()));
    local.run("ALTER TABLE t UNSET TBLPROPERTIES IF EXISTS ('Team', 'nope')").await;
    assert_eq!(last(&local, "t").await.0, "UNSET TBLPROPERTIES");
    assert!(local.run("SHOW TBLPROPERTIES t ('Team')").await.cell(0, "value").contains("does not have"));
    for (set, class) in [
        ("'delta.nope' = '1'", "DELTA_UNKNOWN_CONFIGURATION"),
        ("'delta.appendOnly' = 'maybe'", "INVALID_PARAMETER_VALUE"),
        ("'delta.feature.typeWidening' = 'off'", "DELTA_UNSUPPORTED_FEATURE_STATUS"),
        ("'delta.feature.clustering' = 'supported'", "UNSUPPORTED_FEATURE.LOCAL_WORKSPACE"),
        ("'delta.constraints.c' = 'id > 0'", "DELTA_ADD_CONSTRAINTS"),
        ("'location' = '/x'", "UNSUPPORTED_FEATURE.SET_TABLE_PROPERTY"),
    ] {
        assert_eq!(local.fails(&format!("ALTER TABLE t SET TBLPROPERTIES ({set})")).await.0, class, "{set}");
    }
    assert_eq!(local.version("t").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn clustering_columns_are_recorded_and_shown() {
    let local = Local::new();
    local.run("CREATE TABLE t (a INT, b STRING, c BOOLEAN, d STRUCT<e: DATE>) CLUSTER BY (B, d.e)").await;
    let detail = local.run("DESCRIBE DETAIL t").await;
    assert_eq!(detail.cell(0, "clusteringColumns"), r#"["b","d.e"]"#);
    local.run("ALTER TABLE t CLUSTER BY (a)").await;
    assert_eq!(
        last(&local, "t").await,
        ("CLUSTER BY".into(), r#"{"newClusteringColumns":"a","oldClusteringColumns":"b,d.e"}"#.into())
    );
    local.run("INSERT INTO t (a, b) VALUES (1, 'x')").await;
    let described = local.run("DESCRIBE t").await;
    assert_eq!(described.texts().last().unwrap(), &["a", "int", "NULL"]);
    local.run("ALTER TABLE t CLUSTER BY NONE").await;
    assert_eq!(local.run("DESCRIBE DETAIL t").await.cell(0, "clusteringColumns"), "[]");
    for (by, class) in [
        ("(c)", "DELTA_CLUSTERING_COLUMNS_DATATYPE_NOT_SUPPORTED"),
        ("(a, A)", "DELTA_DUPLICATE_COLUMNS_FOUND"),
        ("(nope)", "UNRESOLVED_COLUMN.WITH_SUGGESTION"),
    ] {
        assert_eq!(local.fails(&format!("ALTER TABLE t CLUSTER BY {by}")).await.0, class, "{by}");
    }
    local.run("CREATE TABLE p (a INT, b INT) PARTITIONED BY (b)").await;
    assert_eq!(
        local.fails("ALTER TABLE p CLUSTER BY (a)").await.0,
        "DELTA_ALTER_TABLE_CLUSTER_BY_ON_PARTITIONED_TABLE_NOT_ALLOWED"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_information_schema_knows_tables_and_columns() {
    let local = Local::new();
    local.run("CREATE CATALOG other").await;
    local.run("CREATE TABLE other.default.u (x INT)").await;
    local
        .run("CREATE TABLE t (id BIGINT NOT NULL COMMENT 'key', price DECIMAL(10,2), p STRING, xs ARRAY<INT>) PARTITIONED BY (p) COMMENT 'goods'")
        .await;
    let columns = local
        .run("SELECT column_name, ordinal_position, is_nullable, full_data_type, data_type, numeric_precision, partition_ordinal_position, comment FROM main.information_schema.columns WHERE table_schema = 'default' AND TABLE_NAME = 't' ORDER BY ordinal_position")
        .await;
    assert_eq!(
        columns.texts(),
        [
            ["id", "1", "NO", "bigint", "BIGINT", "64", "NULL", "key"],
            ["price", "2", "YES", "decimal(10,2)", "DECIMAL", "10", "NULL", "NULL"],
            ["p", "3", "YES", "string", "STRING", "NULL", "1", "NULL"],
            ["xs", "4", "YES", "array<int>", "ARRAY", "NULL", "NULL", "NULL"],
        ]
    );
    let tables = local.run("SELECT table_name, table_type, comment FROM information_schema.tables").await;
    assert_eq!(tables.texts(), [["t", "MANAGED", "goods"]]);
    let all =
        local.run("SELECT table_catalog, table_name FROM system.information_schema.tables ORDER BY 1").await;
    assert_eq!(all.texts(), [["main", "t"], ["other", "u"]]);
    let catalogs = local.run("SELECT catalog_name FROM system.information_schema.catalogs ORDER BY 1").await;
    assert_eq!(catalogs.texts(), [["main"], ["other"]]);
    assert_eq!(
        local.fails("SELECT * FROM nope.information_schema.tables").await.0,
        "NO_SUCH_CATALOG_EXCEPTION"
    );
    assert_eq!(
        local.fails("SELECT * FROM information_schema.table_privileges").await.0,
        "UNSUPPORTED_FEATURE.LOCAL_WORKSPACE"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_of_another_process_is_noticed_by_an_alter_under_way() {
    use deltalake::kernel::transaction::CommitBuilder;
    use deltalake::protocol::DeltaOperation;
    let local = Local::new();
    local.run("CREATE TABLE t AS SELECT 1 AS id").await;
    let stale = local.delta("t").await;
    local.run("ALTER TABLE t ADD COLUMN n INT").await;
    let snapshot = stale.snapshot().unwrap();
    let metadata = deltalake::kernel::Action::Metadata(snapshot.metadata().clone());
    let lost = CommitBuilder::default()
        .with_actions(vec![metadata])
        .build(Some(snapshot), stale.log_store(), DeltaOperation::UpdateFieldMetadata { fields: Vec::new() })
        .await;
    assert!(lost.unwrap_err().to_string().contains("Metadata changed"));
    let alters = (0..4).map(|n| {
        let local = &local;
        async move { local.try_run(&format!("ALTER TABLE t ADD COLUMN same_{} INT", n % 2)).await.is_ok() }
    });
    let won = futures::future::join_all(alters).await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 2, "of two that add one column, one is told that it is there");
    assert_eq!(local.version("t").await, 3);
}
