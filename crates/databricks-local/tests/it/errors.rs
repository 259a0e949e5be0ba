//! What goes wrong, by the class and SQLSTATE Databricks gives it.

use crate::local::Local;

#[tokio::test(flavor = "multi_thread")]
async fn each_mistake_has_its_class_and_sqlstate() {
    let local = Local::new();
    local.run("CREATE TABLE t (id INT NOT NULL, name STRING)").await;
    local.run("CREATE VOLUME v").await;
    local.run("CREATE SCHEMA full_one").await;
    local.run("CREATE TABLE full_one.x (a INT)").await;
    let cases = [
        ("SELEC 1", "PARSE_SYNTAX_ERROR", "42601"),
        ("SELECT * FROM nowhere", "TABLE_OR_VIEW_NOT_FOUND", "42P01"),
        ("SELECT nope FROM t", "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703"),
        ("SELECT 1 / 0", "DIVIDE_BY_ZERO", "22012"),
        ("CREATE TABLE t (a INT)", "TABLE_OR_VIEW_ALREADY_EXISTS", "42P07"),
        ("CREATE SCHEMA default", "SCHEMA_ALREADY_EXISTS", "42P06"),
        ("CREATE CATALOG main", "CATALOG_ALREADY_EXISTS", "42710"),
        ("CREATE VOLUME v", "VOLUME_ALREADY_EXISTS", "42710"),
        ("CREATE TABLE nope.x (a INT)", "SCHEMA_NOT_FOUND", "42704"),
        ("CREATE TABLE nope.default.x (a INT)", "NO_SUCH_CATALOG_EXCEPTION", "42704"),
        ("CREATE TABLE `a b` (a INT)", "INVALID_PARAMETER_VALUE.INVALID_NAME", "22023"),
        ("CREATE TABLE x (`a b` INT)", "DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES", "42K05"),
        ("CREATE TABLE x (a INT, A STRING)", "DELTA_DUPLICATE_COLUMNS_FOUND", "42711"),
        ("CREATE TABLE x (a VARCHAR(3))", "UNSUPPORTED_FEATURE.LOCAL_WORKSPACE", "0A000"),
        ("CREATE TABLE x (a INT) TBLPROPERTIES ('delta.nope' = '1')", "DELTA_UNKNOWN_CONFIGURATION", "F0000"),
        ("CREATE TABLE x (a INT) PARTITIONED BY (b)", "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703"),
        ("DROP TABLE nowhere", "TABLE_OR_VIEW_NOT_FOUND", "42P01"),
        ("DROP VOLUME nowhere", "UC_VOLUME_NOT_FOUND", "42704"),
        ("DROP SCHEMA full_one", "SCHEMA_NOT_EMPTY", "2BP01"),
        ("INSERT INTO t VALUES (1)", "INSERT_COLUMN_ARITY_MISMATCH.NOT_ENOUGH_DATA_COLUMNS", "21S01"),
        ("INSERT INTO t VALUES (1, 'a', 2)", "INSERT_COLUMN_ARITY_MISMATCH.TOO_MANY_DATA_COLUMNS", "21S01"),
        ("INSERT INTO t (id, nope) VALUES (1, 2)", "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703"),
        ("INSERT INTO t VALUES (NULL, 'a')", "DELTA_NOT_NULL_CONSTRAINT_VIOLATED", "23502"),
        ("UPDATE t SET nope = 1", "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703"),
        ("DELETE FROM nowhere", "TABLE_OR_VIEW_NOT_FOUND", "42P01"),
        ("ALTER TABLE t ADD COLUMNS (n INT NOT NULL)", "DELTA_OPERATION_NOT_ALLOWED", "0AKDC"),
        ("ALTER TABLE t ADD COLUMNS (NAME INT)", "FIELD_ALREADY_EXISTS", "42710"),
        (
            "COPY INTO t FROM '/Volumes/main/default/v' FILEFORMAT = PARQUET",
            "COPY_INTO_SOURCE_SCHEMA_INFERENCE_FAILED",
            "42KD9",
        ),
        ("COPY INTO t FROM '/Volumes/main/default/v/none' FILEFORMAT = PARQUET", "PATH_NOT_FOUND", "42K03"),
        (
            "COPY INTO t FROM '/Volumes/main/default/v/none' FILEFORMAT = CSV",
            "UNSUPPORTED_FEATURE.LOCAL_WORKSPACE",
            "0A000",
        ),
        (
            "MERGE INTO t USING t AS s ON t.id = s.id WHEN MATCHED THEN DELETE WHEN MATCHED THEN UPDATE SET *",
            "NON_LAST_MATCHED_CLAUSE_OMIT_CONDITION",
            "42613",
        ),
        ("OPTIMIZE t WHERE id = 1", "DELTA_NON_PARTITION_COLUMN_REFERENCE", "42P10"),
        ("RESTORE TABLE t TO VERSION AS OF 7", "DELTA_VERSION_NOT_FOUND", "22003"),
        ("SHOW TABLES IN nowhere", "SCHEMA_NOT_FOUND", "42704"),
    ];
    for (sql, class, state) in cases {
        assert_eq!(local.fails(sql).await, (class.to_owned(), state.to_owned()), "{sql}");
    }
    assert_eq!(local.version("t").await, 0, "no failed statement made a version");
}
