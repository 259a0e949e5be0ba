//! Statements and the commands they become; statements and the errors they become.

use super::parse;

/// The command of a statement, in Rust's debug form, or its error.
fn shown(sql: &str) -> String {
    match parse(sql) {
        Ok(command) => format!("{command:#?}"),
        Err(error) => error.to_string(),
    }
}

/// The command's short form: for statements without expressions.
fn short(sql: &str) -> String {
    match parse(sql) {
        Ok(command) => format!("{command:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn statements_about_objects() {
    let statements = [
        "CREATE CATALOG IF NOT EXISTS main COMMENT 'it\\'s'",
        "CREATE SCHEMA main.weather",
        "CREATE DATABASE IF NOT EXISTS weather;",
        "CREATE VOLUME main.weather._staging COMMENT 'parts'",
        "DROP CATALOG IF EXISTS main CASCADE",
        "DROP SCHEMA main.weather RESTRICT",
        "DROP VOLUME main.weather.v",
        "DROP TABLE IF EXISTS `ma``in`.s.t",
        "USE CATALOG main",
        "USE main.weather",
        "USE SCHEMA weather",
        "SHOW CATALOGS LIKE 'm*'",
        "SHOW SCHEMAS IN main",
        "SHOW TABLES IN main.weather LIKE 'd*|w*'",
        "SHOW VOLUMES IN c.s",
        "SHOW TABLES",
        "SHOW COLUMNS IN main.weather.daily",
        "SHOW SCHEMAS IN ALL CATALOGS LIKE 'w*'",
        "SHOW TABLES IN CATALOG `main` SCHEMA LIKE 'w' LIKE 'd*'",
        "SHOW TABLES FROM ALL CATALOGS",
        "SHOW TABLES IN catalog LIKE 'd*'",
        "SHOW COLUMNS IN CATALOG main SCHEMA LIKE 'w' TABLE LIKE 'd' LIKE '*'",
        "SHOW COLUMNS IN catalog.s.t",
        "SHOW TBLPROPERTIES t ('delta.appendOnly')",
        "DESCRIBE TABLE EXTENDED main.weather.daily",
        "DESC daily",
        "DESCRIBE HISTORY main.weather.daily LIMIT 5",
        "DESCRIBE DETAIL daily",
        "VACUUM t",
        "VACUUM t LITE RETAIN 168 HOURS DRY RUN",
        "TRUNCATE TABLE t",
        "ALTER TABLE t SET TBLPROPERTIES (delta.appendOnly = true, 'a b' = '1')",
        "ALTER TABLE t UNSET TBLPROPERTIES IF EXISTS (a.b)",
        "ALTER TABLE t ADD COLUMNS (a INT COMMENT 'x' FIRST, s.b ARRAY<STRUCT<c: INT NOT NULL>> AFTER a)",
        "ALTER TABLE t ADD COLUMN c DECIMAL(10, 2)",
        "ALTER TABLE t ALTER COLUMN s.a.element TYPE DECIMAL(12, 2)",
        "ALTER TABLE t CHANGE a COMMENT 'it\\'s', `b c` SET NOT NULL, d DROP DEFAULT, e FIRST",
        "ALTER TABLE t RENAME COLUMN a.b TO `c d`",
        "ALTER TABLE t DROP COLUMNS IF EXISTS (a, b.c)",
        "ALTER TABLE t CLUSTER BY (a, b.c)",
        "ALTER TABLE t CLUSTER BY NONE",
        "COMMENT ON COLUMN a.b.c.d IS NULL",
        "COMMENT ON DATABASE a.b IS 'x'",
        "CREATE OR REPLACE TABLE a.t SHALLOW CLONE b.u TBLPROPERTIES (k = 'v')",
        "CREATE TABLE IF NOT EXISTS t CLONE u",
    ];
    let lines: Vec<_> = statements.iter().map(|sql| format!("{sql}\n    {}", short(sql))).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_default_keeps_its_text() {
    for (written, kept) in [
        ("'it\\'s; -- x'", "'it\\'s; -- x'"),
        ("1 +\n  2 ;", "1 +\n  2"),
        ("current_timestamp()", "current_timestamp()"),
        ("r'a\\b' || \"q\"", "r'a\\b' || \"q\""),
        ("concat('ä', '😀')", "concat('ä', '😀')"),
    ] {
        let sql = format!("ALTER TABLE t\n ALTER COLUMN `ä` SET DEFAULT {written}");
        let shown = short(&sql);
        assert!(shown.contains(&format!("text: {kept:?}")), "{sql}\n  {shown}");
    }
    let shown = short("CREATE TABLE t (a INT DEFAULT (1 + 2) NOT NULL, b INT)");
    assert!(shown.contains("text: \"(1 + 2)\"") && shown.contains("nullable: false"), "{shown}");
}

#[test]
fn create_table_in_all_its_clauses() {
    insta::assert_snapshot!(shown(
        "CREATE OR REPLACE TABLE main.s.t (
           id INT NOT NULL PRIMARY KEY, -- the key
           name VARCHAR(255) COMMENT 'who',
           tags MAP<STRING, ARRAY<DECIMAL(10,2)>>,
           at TIMESTAMP_NTZ,
           CONSTRAINT pk PRIMARY KEY (id) NOT ENFORCED RELY
         ) USING DELTA PARTITIONED BY (name) COMMENT 'all of it'
         TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true', delta.columnMapping.mode = 'name')"
    ));
}

#[test]
fn merge_in_all_its_clauses() {
    insta::assert_snapshot!(names_only(
        "MERGE WITH SCHEMA EVOLUTION INTO main.s.t AS target USING s.u AS source ON target.id = source.id
         WHEN MATCHED AND source.gone THEN DELETE
         WHEN MATCHED AND source.x > 1 THEN UPDATE SET target.a = source.a + 1, b = DEFAULT
         WHEN MATCHED THEN UPDATE SET *
         WHEN NOT MATCHED BY TARGET AND source.id > 0 THEN INSERT (id, a) VALUES (source.id, DEFAULT)
         WHEN NOT MATCHED THEN INSERT *
         WHEN NOT MATCHED BY SOURCE AND target.old THEN UPDATE SET a = 0
         WHEN NOT MATCHED BY SOURCE THEN DELETE"
    ));
}

/// The merge with its expressions as text: their trees are sqlparser's own.
fn names_only(sql: &str) -> String {
    use super::{AssignedValue, Command, MergeAction};
    let Ok(Command::Merge(merge)) = parse(sql) else { return shown(sql) };
    let value = |v: &AssignedValue| match v {
        AssignedValue::Expr(expr) => expr.to_string(),
        AssignedValue::Default => "DEFAULT".to_owned(),
    };
    let mut lines = vec![
        format!("{:?} {:?} evolution={}", merge.target, merge.target_alias, merge.schema_evolution),
        format!("{} {:?} {:?}", merge.source, merge.source_name, merge.source_alias),
        merge.on.to_string(),
    ];
    for clause in &merge.clauses {
        let condition = clause.condition.as_ref().map(ToString::to_string);
        let action = match &clause.action {
            MergeAction::Update(set) => {
                let set: Vec<_> =
                    set.iter().map(|a| format!("{:?} = {}", a.column, value(&a.value))).collect();
                format!("Update {}", set.join(", "))
            }
            MergeAction::Insert { columns, values } => {
                let values: Vec<_> = values.iter().map(value).collect();
                format!("Insert {columns:?} {}", values.join(", "))
            }
            other => format!("{other:?}"),
        };
        lines.push(format!("{:?} {condition:?} {action}", clause.kind));
    }
    lines.join("\n")
}

#[test]
fn copy_into_with_a_select_list_and_options() {
    use super::Command;
    let sql = "COPY INTO main.s.t (a, b) FROM (SELECT CAST(`a` AS INT) AS `a`, b FROM '/Volumes/c/s/v/1/')
         FILEFORMAT = PARQUET FILES = ('x.parquet', 'y.parquet') FORMAT_OPTIONS ('mergeSchema' = 'true')
         COPY_OPTIONS ('force' = 'false')";
    let Ok(Command::CopyInto(copy)) = parse(sql) else { panic!("{}", shown(sql)) };
    assert_eq!(copy.path, "/Volumes/c/s/v/1/");
    assert_eq!(copy.columns, ["a", "b"]);
    assert_eq!(copy.file_format, "PARQUET");
    assert_eq!(copy.files, ["x.parquet", "y.parquet"]);
    assert_eq!(copy.format_options, [("mergeSchema".to_owned(), "true".to_owned())]);
    assert_eq!(copy.copy_options, [("force".to_owned(), "false".to_owned())]);
    let select = copy.select.map(|s| s.to_string()).unwrap_or_default();
    assert_eq!(select, "SELECT CAST(`a` AS INT) AS `a`, b FROM `/Volumes/c/s/v/1/`");
}

#[test]
fn queries_reach_sqlparser_with_databricks_meaning() {
    for (sql, expected) in [
        (r"SELECT r'a\nb', R'c'", r"SELECT 'a\nb', 'c'"),
        (r"SELECT 'a\tb\'c', 'd''e'", "SELECT 'a\tb''c', 'd''e'"),
        ("SELECT 'a' 'b'", "SELECT 'ab'"),
        ("SELECT \"text\"", "SELECT 'text'"),
        (r"SELECT '\u0041\101'", "SELECT 'AA'"),
        ("SELECT 1L, 1.5D, 2BD, 3S, 1e3", "SELECT 1L, 1.5D, 2BD, 3S, 1e3"),
        ("SELECT 7 DIV 2 + 1", "SELECT 7 DIV 2 + 1"),
        (
            "SELECT CAST((SELECT x AS y) AS MAP<STRING, STRUCT<`a``)`: DECIMAL(5,2), b: INT NOT NULL>>) AS z",
            "SELECT CAST((SELECT x AS y) AS \"MAP< STRING, STRUCT< `a``)`: DECIMAL(5,2), b: INT NOT NULL>>\") AS z",
        ),
        ("SELECT * FROM t FOR VERSION AS OF 3", "SELECT * FROM t VERSION AS OF 3"),
        ("SELECT * FROM t@v3 AS x", "SELECT * FROM t AS x VERSION AS OF 3"),
        (
            "SELECT * FROM t FOR SYSTEM_TIME AS OF '2024-01-01'",
            "SELECT * FROM t TIMESTAMP AS OF '2024-01-01'",
        ),
        ("SELECT * FROM t@20240131235959000", "SELECT * FROM t TIMESTAMP AS OF '2024-01-31 23:59:59.000'"),
        ("SELECT ? + :a, ?", "SELECT ?1 + :a, ?2"),
        ("(SELECT 1) UNION SELECT 2", "(SELECT 1) UNION SELECT 2"),
        ("/* a /* nested */ comment */ SELECT 1 -- end", "SELECT 1"),
    ] {
        match parse(sql) {
            Ok(super::Command::Query(query)) => assert_eq!(query.to_string(), expected, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[test]
fn precedence_is_databricks() {
    let Ok(super::Command::Query(query)) = parse("SELECT 'a' || 1 * 2, 8 DIV 2 * 2") else { panic!() };
    let tree = format!("{query:?}");
    let concat = tree.find("StringConcat").unwrap();
    let times = tree.find("op: Multiply").unwrap();
    assert!(concat < times, "the product binds first: {tree}");
}

#[test]
fn errors_name_the_token_and_its_place() {
    for (sql, expected) in [
        ("", "[PARSE_EMPTY_STATEMENT]"),
        ("-- nothing", "[PARSE_EMPTY_STATEMENT]"),
        (
            "INSER INTO t VALUES (1)",
            "[PARSE_SYNTAX_ERROR] Syntax error at or near 'INSER'. SQLSTATE: 42601 (line 1, pos 0)",
        ),
        ("SELECT 1; SELECT 2", "near ';'. SQLSTATE: 42601 (line 1, pos 8)"),
        ("SELECT *\nFROM t WHERE", "near end of input. SQLSTATE: 42601 (line 2, pos 12)"),
        ("DROP TABLE t u", "near 'u'. SQLSTATE: 42601 (line 1, pos 13)"),
        ("UPDATE t SET a 1", "near '1'. SQLSTATE: 42601 (line 1, pos 15)"),
        ("INSERT INTO t (a, b) BY NAME SELECT 1 AS b, 2 AS a", "near 'BY'"),
        ("SELECT 'open", "[PARSE_SYNTAX_ERROR]"),
        ("SELECT a FROM t WHERE a ?:: 1", "[PARSE_SYNTAX_ERROR]"),
        ("CREATE TABLE t (a INTT)", "[UNSUPPORTED_DATATYPE]"),
        ("CREATE TABLE a.b.c.d (a INT)", "[IDENTIFIER_TOO_MANY_NAME_PARTS]"),
        ("MERGE INTO t USING s ON t.a = s.a", "[DELTA_MERGE_MISSING_WHEN]"),
        (
            "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE WHEN MATCHED THEN UPDATE SET *",
            "[NON_LAST_MATCHED_CLAUSE_OMIT_CONDITION]",
        ),
        (
            "MERGE INTO t USING s ON t.a = s.a WHEN NOT MATCHED THEN INSERT (a) VALUES (1, 2)",
            "[MERGE_INSERT_VALUE_COUNT_MISMATCH]",
        ),
        ("MERGE INTO t USING s ON t.a = s.a WHEN NOT MATCHED THEN DELETE", "near 'DELETE'"),
    ] {
        let text = short(sql);
        assert!(text.contains(expected), "{sql}\n  {text}");
    }
}

#[test]
fn statements_of_databricks_not_run_here_are_refused_by_name() {
    for (sql, what) in [
        ("GRANT SELECT ON TABLE t TO `a@b`", "GRANT"),
        ("ANALYZE TABLE t COMPUTE STATISTICS", "ANALYZE TABLE"),
        ("CREATE VIEW v AS SELECT 1", "CREATE VIEW"),
        ("CREATE OR REPLACE TEMPORARY VIEW v AS SELECT 1", "CREATE OR REPLACE TEMPORARY"),
        ("CREATE FUNCTION f() RETURNS INT RETURN 1", "CREATE FUNCTION"),
        ("CREATE TABLE t CLONE u LOCATION 's3://b'", "LOCATION"),
        ("CREATE TABLE t (a INT) LOCATION 's3://b'", "LOCATION"),
        ("CREATE TABLE t (a INT) USING PARQUET", "CREATE TABLE USING PARQUET"),
        ("CREATE TABLE t (a INT GENERATED ALWAYS AS IDENTITY)", "GENERATED"),
        ("CREATE TABLE t (a INT) CLUSTER BY AUTO", "AUTO"),
        ("ALTER TABLE t RENAME TO u", "ALTER TABLE .. RENAME TO"),
        ("ALTER TABLE t ALTER COLUMN a SET TAGS ('x' = 'y')", "SET in ALTER COLUMN"),
        ("COMMENT ON SHARE s IS 'x'", "COMMENT ON SHARE"),
        ("SHOW FUNCTIONS", "SHOW FUNCTIONS"),
        ("SHOW VOLUMES IN CATALOG c", "SHOW .. IN CATALOG"),
        ("SHOW SCHEMAS FROM CATALOG `c` LIKE 'a'", "SHOW .. IN CATALOG"),
        ("SET spark.x = 1", "SET"),
        ("REFRESH TABLE t", "REFRESH TABLE"),
        ("CACHE TABLE t", "CACHE TABLE"),
        ("LIST '/Volumes/a/b/c/'", "LIST"),
        ("EXPLAIN EXTENDED SELECT 1", "EXPLAIN EXTENDED"),
        ("DESCRIBE CATALOG main", "DESCRIBE CATALOG"),
        ("INSERT INTO t PARTITION (a = 1) SELECT 2", "INSERT .. PARTITION"),
        ("UPDATE t SET a = 1 FROM u", "FROM in UPDATE"),
    ] {
        let error = parse(sql).map(|c| format!("{c:?}")).unwrap_err();
        assert_eq!(error.class(), "UNSUPPORTED_FEATURE.LOCAL_WORKSPACE", "{sql}: {error}");
        assert_eq!(error.sql_state(), "0A000", "{sql}");
        assert!(error.message().contains(what), "{sql}: {error}");
    }
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    let sql = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    let error = parse(&sql).unwrap_err();
    assert_eq!(error.class(), "FAILED_TO_PARSE_TOO_COMPLEX", "{error}");
}
