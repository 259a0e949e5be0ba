//! Literals, arithmetic, comparisons, casts.

use super::{Parameters, check, run};

#[tokio::test]
async fn literals_take_databricks_types() {
    check(&[
        ("SELECT 1", "INT: 1"),
        ("SELECT 2147483648", "BIGINT: 2147483648"),
        ("SELECT -2147483648", "INT: -2147483648"),
        ("SELECT -9223372036854775808", "BIGINT: -9223372036854775808"),
        ("SELECT 1.1", "DECIMAL(2,1): 1.1"),
        ("SELECT 1e2", "DOUBLE: 100.0"),
        (
            "SELECT 1L, 1S, 1Y, 1D, 1F, 1BD",
            "BIGINT,SMALLINT,TINYINT,DOUBLE,FLOAT,DECIMAL(1,0): 1,1,1,1.0,1.0,1",
        ),
        ("SELECT 'a', true, NULL", "STRING,BOOLEAN,VOID: a,true,NULL"),
        ("SELECT DATE '2024-02-29'", "DATE: 2024-02-29"),
        ("SELECT TIMESTAMP '2024-01-01 12:00:00+02:00'", "TIMESTAMP: 2024-01-01T10:00:00Z"),
        ("SELECT TIMESTAMP_NTZ '2024-01-01 12:00:00'", "TIMESTAMP_NTZ: 2024-01-01T12:00:00"),
        ("SELECT X'0aFF'", "BINARY: 0aff"),
        ("SELECT DATE '2023-02-29'", "[INVALID_TYPED_LITERAL] 42604"),
        ("SELECT 300Y", "[INVALID_NUMERIC_LITERAL_RANGE] 22003"),
    ])
    .await;
}

#[tokio::test]
async fn arithmetic_has_databricks_types_and_checks_overflow() {
    check(&[
        ("SELECT 1/2", "DOUBLE: 0.5"),
        ("SELECT 7 DIV 2, -7 DIV 2, 7 % 3, -7 % 3", "BIGINT,BIGINT,INT,INT: 3,-3,1,-1"),
        ("SELECT 1 + 1.5", "DECIMAL(3,1): 2.5"),
        ("SELECT 1.50 * 2.0", "DECIMAL(6,3): 3.000"),
        ("SELECT 1.0 / 3", "DECIMAL(7,6): 0.333333"),
        ("SELECT 5.5 % 2", "DECIMAL(2,1): 1.5"),
        ("SELECT 2147483647 + 1", "[ARITHMETIC_OVERFLOW] 22003"),
        ("SELECT -2147483648 - 1", "[ARITHMETIC_OVERFLOW] 22003"),
        ("SELECT Id * 2147483647 FROM t WHERE Id = 2", "[ARITHMETIC_OVERFLOW] 22003"),
        ("SELECT big + 1 FROM t WHERE Id = 1", "[ARITHMETIC_OVERFLOW] 22003"),
        ("SELECT Id + 1L FROM t WHERE Id = 1", "BIGINT: 2"),
        ("SELECT 1/0", "[DIVIDE_BY_ZERO] 22012"),
        ("SELECT 1 % 0", "[DIVIDE_BY_ZERO] 22012"),
        ("SELECT 1.5 / 0", "[DIVIDE_BY_ZERO] 22012"),
        ("SELECT 1 DIV 0", "[DIVIDE_BY_ZERO] 22012"),
        ("SELECT NULL / 0", "DOUBLE: NULL"),
        ("SELECT amount / big FROM t WHERE Id = 3", "[DIVIDE_BY_ZERO] 22012"),
        ("SELECT CASE WHEN big <> 0 THEN 10 / big END FROM t WHERE Id IN (2, 3)", "DOUBLE: 10.0; NULL"),
        (
            "SELECT price + 1, price * price FROM t WHERE Id = 1",
            "DECIMAL(11,2),DECIMAL(21,4): 11.50,110.2500",
        ),
        ("SELECT '5' + 1, '1.5' * 2.0", "BIGINT,DOUBLE: 6,3.0"),
        ("SELECT 'x' + 1", "[CAST_INVALID_INPUT] 22018"),
        ("SELECT -(-2147483648)", "[ARITHMETIC_OVERFLOW] 22003"),
        ("SELECT true + 1", "[DATATYPE_MISMATCH.BINARY_OP_WRONG_TYPE] 42K09"),
        ("SELECT 'a' || 1 || NULL", "STRING: NULL"),
        ("SELECT 'a' || 1 || true", "STRING: a1true"),
    ])
    .await;
}

#[tokio::test]
async fn dates_move_by_days_and_intervals() {
    check(&[
        ("SELECT DATE '2024-02-28' + 1", "DATE: 2024-02-29"),
        ("SELECT DATE '2024-03-01' - 1", "DATE: 2024-02-29"),
        ("SELECT DATE '2024-01-31' + INTERVAL 1 MONTH", "DATE: 2024-02-29"),
        ("SELECT DATE '2024-01-31' - INTERVAL '2' DAY", "DATE: 2024-01-29"),
        ("SELECT DATE '2024-01-31' + INTERVAL 1 HOUR", "TIMESTAMP: 2024-01-31T01:00:00Z"),
        ("SELECT TIMESTAMP '2024-01-31 00:00:00' - INTERVAL 1 SECOND", "TIMESTAMP: 2024-01-30T23:59:59Z"),
        ("SELECT DATE '2024-01-01' - DATE '2023-01-01'", "[UNSUPPORTED_FEATURE.LOCAL_WORKSPACE] 0A000"),
    ])
    .await;
}

#[tokio::test]
async fn comparisons_bring_both_sides_to_one_type() {
    check(&[
        (
            "SELECT '01' = 1, '1' = '01', 1 = 1.0, 1 < 1.5",
            "BOOLEAN,BOOLEAN,BOOLEAN,BOOLEAN: true,false,true,true",
        ),
        ("SELECT 'x' = 1", "[CAST_INVALID_INPUT] 22018"),
        ("SELECT DATE '2024-01-01' = '2024-01-01'", "BOOLEAN: true"),
        ("SELECT DATE '2024-01-01' < TIMESTAMP '2024-01-01 00:00:01'", "BOOLEAN: true"),
        ("SELECT true = 1", "[DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES] 42K09"),
        ("SELECT 0.0D = -0.0D, double('nan') = double('nan')", "BOOLEAN,BOOLEAN: true,true"),
        ("SELECT Id FROM t WHERE amount = 0", "INT: 3"),
        ("SELECT NULL = 1, NULL <=> NULL, 1 <=> NULL", "BOOLEAN,BOOLEAN,BOOLEAN: NULL,true,false"),
        ("SELECT NULL AND false, NULL OR true, NOT NULL", "BOOLEAN,BOOLEAN,BOOLEAN: false,true,NULL"),
        ("SELECT 1 IS NULL, NULL IS NULL, NULL IS NOT TRUE", "BOOLEAN,BOOLEAN,BOOLEAN: false,true,true"),
        ("SELECT 2 BETWEEN 1 AND 3, 2 NOT BETWEEN 1 AND 3", "BOOLEAN,BOOLEAN: true,false"),
        ("SELECT 1 IN (2, 1.0), 1 IN (2, NULL), '1' IN (1)", "BOOLEAN,BOOLEAN,BOOLEAN: true,NULL,true"),
        (
            "SELECT 'abc' LIKE 'a%', 'a%c' LIKE 'a\\%c', 'abc' LIKE 'a\\%c'",
            "BOOLEAN,BOOLEAN,BOOLEAN: true,true,false",
        ),
        ("SELECT 'a_c' LIKE 'a!_c' ESCAPE '!', 'abc' LIKE 'a!_c' ESCAPE '!'", "BOOLEAN,BOOLEAN: true,false"),
        ("SELECT 'ABC' ILIKE 'a%', 'ABC' LIKE 'a%'", "BOOLEAN,BOOLEAN: true,false"),
        ("SELECT 'a' LIKE r'\\a'", "[INVALID_FORMAT.ESC_IN_THE_MIDDLE] 42601"),
    ])
    .await;
}

#[tokio::test]
async fn casts_are_ansi() {
    check(&[
        ("SELECT CAST('12' AS INT), CAST(' 12 ' AS INT)", "INT,INT: 12,12"),
        ("SELECT CAST('1.5' AS INT)", "[CAST_INVALID_INPUT] 22018"),
        ("SELECT CAST('' AS INT)", "[CAST_INVALID_INPUT] 22018"),
        ("SELECT CAST('99999999999' AS INT)", "[CAST_INVALID_INPUT] 22018"),
        ("SELECT CAST('300' AS TINYINT)", "[CAST_INVALID_INPUT] 22018"),
        ("SELECT CAST(300 AS TINYINT)", "[CAST_OVERFLOW] 22003"),
        ("SELECT CAST(1.9 AS INT), CAST(-1.9D AS INT)", "INT,INT: 1,-1"),
        ("SELECT CAST(1e20 AS BIGINT)", "[CAST_OVERFLOW] 22003"),
        (
            "SELECT CAST(1.255 AS DECIMAL(3,2)), CAST('1.255' AS DECIMAL(3,2))",
            "DECIMAL(3,2),DECIMAL(3,2): 1.26,1.26",
        ),
        ("SELECT CAST(100 AS DECIMAL(2,0))", "[NUMERIC_VALUE_OUT_OF_RANGE.WITHOUT_SUGGESTION] 22003"),
        (
            "SELECT CAST(1.0D AS STRING), CAST(1e10 AS STRING), CAST(1.10 AS STRING)",
            "STRING,STRING,STRING: 1.0,1.0E10,1.10",
        ),
        ("SELECT CAST(TIMESTAMP '2024-01-01 00:00:00.5' AS STRING)", "STRING: 2024-01-01 00:00:00.5"),
        ("SELECT CAST('2024-01-01T05:06:07Z' AS TIMESTAMP)", "TIMESTAMP: 2024-01-01T05:06:07Z"),
        (
            "SELECT CAST('2024-01-01T05:06:07+02:00' AS TIMESTAMP_NTZ), CAST('2024-01-01T05:06:07+02:00' AS TIMESTAMP)",
            "TIMESTAMP_NTZ,TIMESTAMP: 2024-01-01T05:06:07,2024-01-01T03:06:07Z",
        ),
        ("SELECT CAST('yesterday' AS DATE)", "[CAST_INVALID_INPUT] 22018"),
        (
            "SELECT CAST('yes' AS BOOLEAN), CAST(0 AS BOOLEAN), CAST(true AS INT)",
            "BOOLEAN,BOOLEAN,INT: true,false,1",
        ),
        ("SELECT CAST('maybe' AS BOOLEAN)", "[CAST_INVALID_INPUT] 22018"),
        ("SELECT CAST(at AS DATE) FROM t WHERE Id = 3", "DATE: 1969-12-31"),
        ("SELECT CAST(at AS BIGINT) FROM t WHERE Id = 3", "BIGINT: -1"),
        ("SELECT TRY_CAST('x' AS INT), TRY_CAST(300 AS TINYINT)", "INT,TINYINT: NULL,NULL"),
        ("SELECT '7'::int, 1::string", "INT,STRING: 7,1"),
        ("SELECT CAST(1 AS DATE)", "[DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION] 42K09"),
        ("SELECT CAST(NULL AS DOUBLE)", "DOUBLE: NULL"),
        ("SELECT CAST(name AS INT) FROM t WHERE Id = 1", "[CAST_INVALID_INPUT] 22018"),
        ("SELECT CAST(1 AS BIGINT), CAST(1 AS long), CAST(1 AS short)", "BIGINT,BIGINT,SMALLINT: 1,1,1"),
    ])
    .await;
}

#[tokio::test]
async fn case_and_its_kin_have_one_type() {
    check(&[
        (
            "SELECT CASE WHEN Id = 1 THEN 1 ELSE 2.5 END FROM t WHERE Id < 3 ORDER BY Id",
            "DECIMAL(11,1): 1.0; 2.5",
        ),
        ("SELECT CASE Id WHEN 1 THEN 'one' END FROM t ORDER BY Id", "STRING: NULL; one; NULL; NULL"),
        ("SELECT coalesce(NULL, 2, 1/0)", "DOUBLE: 2.0"),
        (
            "SELECT ifnull(NULL, 1), nvl(2, 1), nvl2(NULL, 1, 2), nullif(1, 1), nullif(1, 2)",
            "INT,INT,INT,INT,INT: 1,2,2,NULL,1",
        ),
        ("SELECT if(true, 1, 1/0), iff(NULL, 1, 2)", "DOUBLE,INT: 1.0,2"),
        ("SELECT greatest(1, NULL, 3), least(2, 1.5, NULL)", "INT,DECIMAL(11,1): 3,1.5"),
        (
            "SELECT CASE WHEN true THEN 1 ELSE DATE '2024-01-01' END",
            "[DATATYPE_MISMATCH.DATA_DIFF_TYPES] 42K09",
        ),
    ])
    .await;
}

#[tokio::test]
async fn nested_values_are_reached_from_zero() {
    check(&[
        ("SELECT arr[0], arr[1] FROM n LIMIT 1", "INT,INT: 10,20"),
        ("SELECT arr[0] FROM n", "[INVALID_ARRAY_INDEX] 22003"),
        ("SELECT st.x, n.ST.X FROM n", "INT,INT: 5,5; 6,6"),
        ("SELECT st.y FROM n", "[FIELD_NOT_FOUND] 42704"),
        ("SELECT size(arr), size(array(1, 2, 3)) FROM n", "INT,INT: 2,3; 0,3"),
        ("SELECT array(1, 2.5)[1]", "DECIMAL(11,1): 2.5"),
    ])
    .await;
}

#[tokio::test]
async fn what_a_guard_excludes_is_not_worked_out() {
    check(&[
        ("SELECT id FROM s WHERE id <> 1 AND 10 % (id - 1) = 0", "INT: 3"),
        ("SELECT id FROM s WHERE id = 1 OR 10 % (id - 1) = 0 ORDER BY id", "INT: 1; 1; 3"),
        ("SELECT id FROM s WHERE CASE WHEN id <> 1 THEN 10 / (id - 1) > 2 ELSE false END", "INT: 3"),
        ("SELECT id FROM s WHERE if(id = 1, true, 10 / (id - 1) > 2) ORDER BY id", "INT: 1; 1; 3"),
        (
            "SELECT coalesce(CASE WHEN id = 1 THEN true END, 10 / (id - 1) > 2) FROM s ORDER BY id",
            "BOOLEAN: true; true; true; false",
        ),
        (
            "SELECT id <> 1 AND 10 / (id - 1) > 2, id = 1 OR 10 / (id - 1) > 2 FROM s ORDER BY id",
            "BOOLEAN,BOOLEAN: false,true; false,true; true,true; false,false",
        ),
        ("SELECT sum(10 / (id - 1)) FILTER (WHERE id > 1) FROM s", "DOUBLE: 6.25"),
        ("SELECT NULL AND 1 / (Id - Id) > 0 FROM t WHERE Id = 1", "[DIVIDE_BY_ZERO] 22012"),
        ("SELECT 1 AS x, x + 1 FROM (SELECT 5 AS x)", "INT,INT: 1,6"),
        ("SELECT NOT 1 = 2, 1 - -1, -1.5, - (1 + 1)", "BOOLEAN,INT,DECIMAL(2,1),INT: true,2,-1.5,-2"),
    ])
    .await;
}

#[tokio::test]
async fn dates_stay_in_the_calendar() {
    check(&[
        ("SELECT DATE'9999-12-31' + 1000000000", "[DATETIME_OVERFLOW] 22008"),
        ("SELECT DATE'9999-12-31' + 1", "[DATETIME_OVERFLOW] 22008"),
        ("SELECT DATE'0001-01-01' - 1", "[DATETIME_OVERFLOW] 22008"),
        ("SELECT DATE'0001-01-02' - 1", "DATE: 0001-01-01"),
        ("SELECT add_months(DATE'9999-12-31', 1)", "[DATETIME_OVERFLOW] 22008"),
        ("SELECT DATE'9999-12-31' + INTERVAL 1 DAY", "[DATETIME_OVERFLOW] 22008"),
        ("SELECT TIMESTAMP'9999-12-31 23:59:59' + INTERVAL 1 SECOND", "[DATETIME_OVERFLOW] 22008"),
        ("SELECT TIMESTAMP'9999-12-31 23:59:59' + INTERVAL 1 MONTH", "[DATETIME_OVERFLOW] 22008"),
    ])
    .await;
}

#[tokio::test]
async fn greatest_and_least_take_many_values() {
    let many: Vec<String> = (0..64).map(|n| format!("Id + {n}")).collect();
    let many = many.join(", ");
    let sql = format!("SELECT greatest({many}), least({many}) FROM t WHERE Id = 1");
    check(&[
        (sql.as_str(), "INT,INT: 64,1"),
        (
            "SELECT greatest(name, 'B', NULL), least(day, NULL) FROM t WHERE Id = 1",
            "STRING,DATE: B,2024-02-29",
        ),
        ("SELECT greatest(NULL, NULL)", "VOID: NULL"),
    ])
    .await;
}

#[tokio::test]
async fn there_is_one_nan() {
    check(&[
        (
            "SELECT sqrt(-1D) > 1D, sqrt(-1D) = double('NaN'), double('Infinity') - double('Infinity') = double('NaN')",
            "BOOLEAN,BOOLEAN,BOOLEAN: true,true,true",
        ),
        ("SELECT Id FROM t WHERE sqrt(amount - 2) > 5 ORDER BY Id", "INT: 1; 3"),
    ])
    .await;
}

#[tokio::test]
async fn bytes_become_the_text_they_spell() {
    check(&[
        ("SELECT CAST(X'41' AS STRING)", "STRING: A"),
        ("SELECT CAST(X'FF' AS STRING)", "[UNSUPPORTED_FEATURE.LOCAL_WORKSPACE] 0A000"),
    ])
    .await;
}

#[tokio::test]
async fn queries_after_in_are_refused_by_name_where_the_engine_cannot_place_them() {
    for (sql, named) in [
        ("SELECT id FROM t WHERE id NOT IN (SELECT id FROM s WHERE s.id = t.id)", "correlated NOT IN"),
        ("SELECT id IN (SELECT id FROM s) FROM t", "IN (query)"),
    ] {
        let error = run(sql, &Parameters::default()).await.unwrap_err();
        assert_eq!(error.class(), "UNSUPPORTED_FEATURE.LOCAL_WORKSPACE", "{sql}: {error}");
        assert!(error.message().contains(named), "{sql}: {error}");
    }
}
