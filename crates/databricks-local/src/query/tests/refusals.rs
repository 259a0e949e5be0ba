//! Forms that the engine would ignore or read otherwise: each refused by name.

use super::{Parameters, run};

#[tokio::test]
async fn forms_not_run_here_are_refused_by_name() {
    for (sql, what) in [
        ("SELECT * FROM t TABLESAMPLE (10 PERCENT)", "TABLESAMPLE"),
        ("SELECT id, count(*) FROM s GROUP BY id WITH ROLLUP", "ROLLUP"),
        ("SELECT id, count(*) FROM s GROUP BY ROLLUP (id)", "ROLLUP"),
        ("SELECT id, count(*) FROM s GROUP BY CUBE (id)", "CUBE"),
        ("SELECT id, count(*) FROM s GROUP BY GROUPING SETS ((id), ())", "GROUPING SETS"),
        ("SELECT * FROM s LATERAL VIEW explode(array(1)) x AS y", "LATERAL VIEW"),
        ("SELECT * FROM s PIVOT (sum(id) FOR label IN ('x'))", "PIVOT"),
        ("SELECT * FROM s NATURAL JOIN t", "NATURAL JOIN"),
        ("SELECT * FROM s, LATERAL (SELECT 1)", "LATERAL"),
        ("WITH RECURSIVE r AS (SELECT 1) SELECT * FROM r", "WITH RECURSIVE"),
        ("SELECT id FROM s SORT BY id", "SORT BY"),
        ("SELECT id FROM s CLUSTER BY id", "CLUSTER BY"),
        ("SELECT id FROM s DISTRIBUTE BY id", "DISTRIBUTE BY"),
        ("SELECT st:x FROM n", "expression"),
        ("SELECT 'a' RLIKE 'a'", "RLIKE"),
        ("SELECT 'a' LIKE ANY ('a', 'b')", "LIKE ANY"),
        ("SELECT name LIKE name FROM t", "LIKE with a pattern"),
        ("SELECT 1 & 2", "operator &"),
        ("SELECT INTERVAL 1 DAY", "INTERVAL"),
        ("SELECT first_value(id) IGNORE NULLS OVER (ORDER BY id) FROM s", "IGNORE NULLS"),
        ("SELECT transform(array(1), x -> x + 1)", "x -> x + 1"),
        ("SELECT count(DISTINCT id, label) FROM s", "count of several columns"),
        (
            "SELECT sum(id) OVER (ORDER BY id RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) FROM s",
            "RANGE frames",
        ),
        ("SELECT * FROM s FOR UPDATE", "FOR UPDATE"),
        ("SELECT map('a', 1)['a']", "map"),
    ] {
        let error = run(sql, &Parameters::default()).await.expect_err(sql);
        let known = ["UNSUPPORTED_FEATURE.LOCAL_WORKSPACE", "UNRESOLVED_ROUTINE"].contains(&error.class());
        assert!(known, "{sql}: {error}");
        assert!(error.message().contains(what), "{sql}: {error}");
    }
}

#[tokio::test]
async fn unknown_functions_are_named() {
    for function in
        ["explode", "get_json_object", "date_bin", "arrow_cast", "from_unixtime", "nosuch", "rand", "uuid"]
    {
        let error = run(&format!("SELECT {function}('a', 'b')"), &Parameters::default()).await.unwrap_err();
        assert_eq!(error.class(), "UNRESOLVED_ROUTINE", "{error}");
        assert_eq!(error.sql_state(), "42883");
        assert!(error.message().contains(function), "{error}");
    }
}
