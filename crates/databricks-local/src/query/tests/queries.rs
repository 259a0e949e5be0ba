//! FROM, joins, subqueries, set operations, order and names.

use super::{Parameters, check, run};

#[tokio::test]
async fn names_match_in_any_case() {
    check(&[
        ("SELECT ID, NAME FROM T WHERE iD = 1", "INT,STRING: 1,Ann"),
        ("SELECT main.x.t.Id, x.t.id, T.id FROM Main.X.T WHERE t.ID = 2", "INT,INT,INT: 2,2,2"),
        ("SELECT q.id FROM t AS Q WHERE q.Id = 3", "INT: 3"),
        ("SELECT t.id FROM t AS q", "[UNRESOLVED_COLUMN.WITH_SUGGESTION] 42703"),
        ("SELECT nmae FROM t", "[UNRESOLVED_COLUMN.WITH_SUGGESTION] 42703"),
        ("SELECT x", "[UNRESOLVED_COLUMN.WITHOUT_SUGGESTION] 42703"),
        ("SELECT id FROM t JOIN s ON t.id = s.id", "[AMBIGUOUS_REFERENCE] 42704"),
        ("SELECT * FROM missing", "[TABLE_OR_VIEW_NOT_FOUND] 42P01"),
    ])
    .await;
}

#[tokio::test]
async fn columns_are_named_as_databricks_names_them() {
    for (sql, expected) in [
        ("SELECT * FROM s", vec!["id", "label"]),
        ("SELECT * EXCEPT (LABEL) FROM s", vec!["id"]),
        (
            "SELECT count(*), sum(id), id + 1, max(label) AS Top FROM s GROUP BY id",
            vec!["count(1)", "sum(id)", "(id + 1)", "Top"],
        ),
        ("SELECT id, id, s.ID FROM s", vec!["id", "id", "ID"]),
        ("SELECT t.Id, s.* FROM t JOIN s ON t.id = s.id", vec!["Id", "id", "label"]),
        ("SELECT NULL UNION (SELECT 1) ORDER BY 1", vec!["NULL"]),
        ("VALUES (1, 'a')", vec!["col1", "col2"]),
    ] {
        let (names, _) = run(sql, &Parameters::default()).await.unwrap();
        assert_eq!(names, expected, "{sql}");
    }
}

#[tokio::test]
async fn time_travel_reads_the_version_named() {
    check(&[
        ("SELECT count(*) FROM t", "BIGINT: 4"),
        ("SELECT count(*) FROM t VERSION AS OF 0", "BIGINT: 1"),
        ("SELECT count(*) FROM t@v0", "BIGINT: 1"),
        ("SELECT count(*) FROM t FOR VERSION AS OF 0 AS old JOIN t ON old.id = t.id", "BIGINT: 1"),
        ("SELECT count(*) FROM t TIMESTAMP AS OF '2024-01-01'", "BIGINT: 2"),
        ("SELECT count(*) FROM t TIMESTAMP AS OF timestamp'2023-12-31' + INTERVAL 1 DAY", "BIGINT: 2"),
        ("SELECT count(*) FROM t VERSION AS OF 7", "[TABLE_OR_VIEW_NOT_FOUND] 42P01"),
        ("SELECT count(*) FROM read_files('/Volumes/c/s/v/', format => 'parquet')", "BIGINT: 4"),
    ])
    .await;
}

#[tokio::test]
async fn nulls_sort_first_ascending_and_last_descending() {
    check(&[
        ("SELECT Id FROM t ORDER BY Id", "INT: NULL; 1; 2; 3"),
        ("SELECT Id FROM t ORDER BY Id DESC", "INT: 3; 2; 1; NULL"),
        ("SELECT Id FROM t ORDER BY Id NULLS LAST", "INT: 1; 2; 3; NULL"),
        ("SELECT name AS n FROM t ORDER BY lower(name) DESC LIMIT 1", "STRING: Cy d"),
        ("SELECT Id FROM t ORDER BY 1 LIMIT 2 OFFSET 1", "INT: 1; 2"),
        ("SELECT Id AS x FROM t ORDER BY X DESC LIMIT 1", "INT: 3"),
        ("SELECT id FROM s ORDER BY label", "INT: 9; 1; 1; 3"),
        ("SELECT DISTINCT id FROM s ORDER BY id DESC", "INT: 9; 3; 1"),
        ("SELECT DISTINCT id FROM s ORDER BY label", "[UNSUPPORTED_FEATURE.LOCAL_WORKSPACE] 0A000"),
        ("SELECT id FROM s ORDER BY 2", "[ORDER_BY_POS_OUT_OF_RANGE] 42805"),
        ("SELECT id FROM s LIMIT -1", "[INVALID_LIMIT_LIKE_EXPRESSION.IS_NEGATIVE] 42K0E"),
    ])
    .await;
}

#[tokio::test]
async fn joins() {
    check(&[
        ("SELECT t.id, label FROM t JOIN s ON t.id = s.id ORDER BY label", "INT,STRING: 1,x; 1,y; 3,z"),
        ("SELECT t.id, label FROM t LEFT JOIN s ON t.id = s.id ORDER BY t.id, label", "INT,STRING: NULL,NULL; 1,x; 1,y; 2,NULL; 3,z"),
        ("SELECT id, label FROM t RIGHT JOIN s USING (ID) ORDER BY label", "INT,STRING: 9,w; 1,x; 1,y; 3,z"),
        ("SELECT id, t.id, s.id FROM t FULL JOIN s USING (id) WHERE label IS NULL OR name IS NULL ORDER BY 1", "INT,INT,INT: NULL,NULL,NULL; 2,2,NULL; 9,NULL,9"),
        ("SELECT t.id FROM t LEFT SEMI JOIN s ON t.id = s.id ORDER BY 1", "INT: 1; 3"),
        ("SELECT t.id FROM t LEFT ANTI JOIN s ON t.id = s.id ORDER BY 1", "INT: NULL; 2"),
        ("SELECT count(*) FROM t CROSS JOIN s", "BIGINT: 16"),
        ("SELECT count(*) FROM t, s WHERE t.id = s.id", "BIGINT: 3"),
        ("SELECT a.id, b.id FROM s a JOIN s b ON a.id < b.id WHERE a.label = 'z'", "INT,INT: 3,9"),
        ("SELECT * FROM s JOIN (SELECT 1 AS id) USING (id) ORDER BY label", "INT,STRING: 1,x; 1,y"),
    ])
    .await;
}

#[tokio::test]
async fn subqueries_and_with() {
    check(&[
        ("SELECT id FROM t WHERE id IN (SELECT id FROM s) ORDER BY id", "INT: 1; 3"),
        ("SELECT id FROM s WHERE id NOT IN (SELECT id FROM t)", "INT: "),
        ("SELECT DISTINCT id FROM s WHERE id NOT IN (SELECT id FROM t WHERE id IS NOT NULL)", "INT: 9"),
        ("SELECT t.id FROM t WHERE EXISTS (SELECT 1 FROM s WHERE s.id = t.id) ORDER BY 1", "INT: 1; 3"),
        (
            "SELECT t.id FROM t WHERE NOT EXISTS (SELECT 1 FROM s WHERE s.id = t.id) ORDER BY 1",
            "INT: NULL; 2",
        ),
        ("SELECT id, (SELECT max(id) FROM s) FROM t WHERE id = 1", "INT,INT: 1,9"),
        (
            "SELECT id, (SELECT count(*) FROM s WHERE s.id = t.id) AS c FROM t ORDER BY id",
            "INT,BIGINT: NULL,0; 1,2; 2,0; 3,1",
        ),
        (
            "SELECT id, (SELECT sum(big) FROM t AS u WHERE u.id = t.id AND u.id > 1) AS c FROM t ORDER BY id",
            "INT,BIGINT: NULL,NULL; 1,NULL; 2,1; 3,0",
        ),
        ("SELECT (SELECT id FROM s)", "[SCALAR_SUBQUERY_TOO_MANY_ROWS] 21000"),
        ("SELECT (SELECT id FROM s WHERE id = 9), (SELECT id FROM s WHERE id = 8)", "INT,INT: 9,NULL"),
        (
            "SELECT t.id, (SELECT label FROM s WHERE s.id = t.id) FROM t WHERE t.id > 1 ORDER BY 1",
            "[UNSUPPORTED_FEATURE.LOCAL_WORKSPACE] 0A000",
        ),
        (
            "SELECT t.id, (SELECT label FROM s WHERE s.id = t.id) FROM t",
            "[UNSUPPORTED_FEATURE.LOCAL_WORKSPACE] 0A000",
        ),
        (
            "SELECT (SELECT id, label FROM s)",
            "[INVALID_SUBQUERY_EXPRESSION.SCALAR_SUBQUERY_RETURN_MORE_THAN_ONE_OUTPUT_COLUMN] 42823",
        ),
        ("WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS y FROM a) SELECT x, y FROM a, b", "INT,INT: 1,2"),
        ("WITH a(z) AS (SELECT id FROM s) SELECT l.z FROM a l JOIN a r ON l.z = r.z WHERE l.z = 9", "INT: 9"),
        ("WITH t AS (SELECT id FROM t WHERE id = 2) SELECT * FROM t", "INT: 2"),
        ("SELECT * FROM (SELECT id AS k FROM s WHERE id = 9) AS q(m) WHERE q.m = 9", "INT: 9"),
        (
            "SELECT * FROM VALUES (1, 'a'), (2.5, NULL) AS v(n, c) ORDER BY n",
            "DECIMAL(11,1),STRING: 1.0,a; 2.5,NULL",
        ),
        ("SELECT id + 1 AS a, a * 2 AS b FROM s WHERE id = 3", "INT,INT: 4,8"),
    ])
    .await;
}

#[tokio::test]
async fn a_query_after_in_may_hold_null() {
    const REFUSED: &str = "[UNSUPPORTED_FEATURE.LOCAL_WORKSPACE] 0A000";
    check(&[
        (
            "SELECT label FROM s WHERE id IN (SELECT Id FROM t) OR label = 'w' ORDER BY label",
            "STRING: w; x; y; z",
        ),
        ("SELECT label FROM s WHERE id IN (SELECT Id FROM t) AND 10 / id > 4 ORDER BY label", "STRING: x; y"),
        (
            "SELECT label FROM s WHERE id NOT IN (SELECT Id FROM t WHERE Id IS NOT NULL) AND 10 / id > 1",
            "STRING: w",
        ),
        ("SELECT label FROM s WHERE id NOT IN (SELECT Id FROM t) OR label = 'x'", REFUSED),
        ("SELECT label FROM s WHERE NOT (id IN (SELECT Id FROM t) OR label = 'x')", REFUSED),
        ("SELECT label FROM s WHERE (id IN (SELECT Id FROM t)) IS NOT TRUE", REFUSED),
        ("SELECT label FROM s WHERE (id IN (SELECT Id FROM t)) = false", REFUSED),
        ("SELECT label FROM s WHERE label > 'a' AND 18 / id NOT IN (SELECT amount FROM t)", REFUSED),
        ("SELECT label FROM s WHERE 5 NOT IN (SELECT Id FROM t)", REFUSED),
        ("SELECT label FROM s WHERE NOT (id IN (SELECT Id FROM t WHERE t.Id = s.id))", REFUSED),
        ("SELECT s.id FROM s JOIN t ON s.id NOT IN (SELECT Id FROM t) OR s.id = t.Id", REFUSED),
    ])
    .await;
}

#[tokio::test]
async fn what_a_correlated_query_reads_may_be_no_row() {
    const REFUSED: &str = "[UNSUPPORTED_FEATURE.LOCAL_WORKSPACE] 0A000";
    check(&[
        ("SELECT id FROM t WHERE 0 IN (SELECT count(*) FROM s WHERE s.id = t.id) ORDER BY 1", "INT: NULL; 2"),
        ("SELECT id FROM t WHERE id IN (SELECT max(id) FROM s WHERE s.id = t.id) ORDER BY 1", "INT: 1; 3"),
        ("SELECT id FROM t WHERE EXISTS (SELECT 1 FROM s WHERE s.id = t.id LIMIT 1) ORDER BY 1", "INT: 1; 3"),
        ("SELECT id FROM t WHERE EXISTS (SELECT 1 FROM s WHERE s.id = t.id LIMIT 1 OFFSET 1)", REFUSED),
        ("SELECT id FROM t WHERE EXISTS (SELECT count(*) FROM s WHERE s.id = t.id)", REFUSED),
        ("SELECT id FROM t WHERE EXISTS (SELECT 1 FROM s WHERE s.id = t.id HAVING count(*) = 0)", REFUSED),
        (
            "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM s WHERE s.id = t.id QUALIFY row_number() OVER (ORDER BY label) = 2)",
            REFUSED,
        ),
        (
            "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM s LEFT JOIN (SELECT s.id FROM s WHERE s.id = t.id) q ON s.id = q.id WHERE q.id IS NULL)",
            REFUSED,
        ),
        (
            "SELECT id, (SELECT max(c) FROM (SELECT count(*) AS c FROM s WHERE s.id = t.id)) FROM t",
            REFUSED,
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_filter_sees_only_rows_that_its_input_has() {
    check(&[
        (
            "SELECT * FROM (SELECT x, 10/x y FROM (VALUES (0),(5)) t(x) WHERE x <> 0) WHERE y > 1",
            "INT,DOUBLE: 5,2.0",
        ),
        ("SELECT x FROM (SELECT x FROM (VALUES (0),(5)) t(x) WHERE x <> 0) WHERE 10/x > 1 AND x < 9", "INT: 5"),
        (
            "WITH s AS (SELECT x FROM (VALUES ('1'),('a')) t(x) WHERE x <> 'a') SELECT * FROM s WHERE CAST(x AS INT) = 1",
            "STRING: 1",
        ),
        ("SELECT u.x FROM (VALUES (0),(5)) u(x) JOIN s ON s.id = u.x - 4 WHERE 10/u.x > 1", "INT: 5; 5"),
        ("SELECT x FROM (VALUES (0),(5)) t(x) WHERE x <> 0 GROUP BY x HAVING 10/x > 1", "INT: 5"),
        ("SELECT x FROM (SELECT x FROM (VALUES (5),(0)) t(x) ORDER BY x DESC LIMIT 1) WHERE 10/x > 1", "INT: 5"),
        (
            "SELECT y FROM (SELECT 10/x y FROM (SELECT x FROM (VALUES (0),(5)) t(x) WHERE x > 0) UNION ALL SELECT 7) WHERE y > 2",
            "DOUBLE: 7.0",
        ),
    ])
    .await;
}

#[tokio::test]
async fn order_by_all_takes_every_column() {
    check(&[
        ("SELECT id, count(*) FROM s GROUP BY ALL ORDER BY ALL", "INT,BIGINT: 1,2; 3,1; 9,1"),
        ("SELECT id, label FROM s ORDER BY ALL DESC LIMIT 2", "INT,STRING: 9,w; 3,z"),
        ("SELECT id FROM s UNION SELECT 2 ORDER BY ALL", "INT: 1; 2; 3; 9"),
    ])
    .await;
}

#[tokio::test]
async fn set_operations() {
    check(&[
        ("SELECT NULL UNION (SELECT 1) ORDER BY 1", "INT: NULL; 1"),
        ("SELECT id FROM s UNION ALL SELECT 1.5 ORDER BY 1", "DECIMAL(11,1): 1.0; 1.0; 1.5; 3.0; 9.0"),
        ("SELECT id FROM s UNION SELECT id FROM s ORDER BY id", "INT: 1; 3; 9"),
        ("SELECT id FROM s INTERSECT SELECT id FROM t ORDER BY 1", "INT: 1; 3"),
        ("SELECT id FROM s EXCEPT SELECT id FROM t", "INT: 9"),
        ("SELECT Id FROM t EXCEPT SELECT NULL ORDER BY 1", "INT: 1; 2; 3"),
        ("SELECT id FROM s MINUS SELECT 9 ORDER BY 1", "INT: 1; 3"),
        ("SELECT 1, 2 UNION SELECT 1", "[NUM_COLUMNS_MISMATCH] 42826"),
        ("SELECT 1 EXCEPT ALL SELECT 1", "[UNSUPPORTED_FEATURE.LOCAL_WORKSPACE] 0A000"),
        ("SELECT true UNION SELECT 1", "[DATATYPE_MISMATCH.DATA_DIFF_TYPES] 42K09"),
    ])
    .await;
}
