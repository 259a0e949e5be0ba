//! Statements that change the rows for which a condition is true, and no others: each condition is asked as a column of
//! a query, which skips nothing, and the statements must agree with the answer. The table has several files, so that
//! statistics decide about some of them, and NULL and NaN are among its values.

use std::collections::BTreeSet;

use crate::local::Local;

/// Rows of a file each: id, name, n, d.
const FILES: [&str; 5] = [
    "(1, 'a', 1, 1D), (2, NULL, 2, CAST('NaN' AS DOUBLE))",
    "(3, 'z', NULL, -0D), (4, 'z', 3, CAST('-Infinity' AS DOUBLE))",
    "(5, NULL, NULL, NULL)",
    "(6, 'm', -5, CAST('Infinity' AS DOUBLE)), (7, 'Z', 2, 0D)",
    "(8, 'b', 9, CAST('NaN' AS DOUBLE))",
];

/// Of types that cannot be NULL, as a query of literals gives them.
const NEW_ROW: &str = "SELECT 100 AS id, 'q' AS name, 7 AS n, 5D AS d";

const CONDITIONS: [&str; 44] = [
    "name IS NULL OR name <> 'z'",
    "name IS NULL",
    "name IS NOT NULL",
    "name <> 'z'",
    "NOT (name = 'z')",
    "name = NULL",
    "name <=> NULL",
    "NOT (name <=> 'z')",
    "name IN ('a', NULL)",
    "name NOT IN ('a', NULL)",
    "name IN ('a', 'z') OR n IS NULL",
    "name NOT IN ('a', 'z')",
    "coalesce(name, '') <> 'z'",
    "name IS NULL AND n IS NULL",
    "(name IS NULL) = true",
    "name IS NULL OR name IS NOT NULL",
    "name LIKE 'a%' OR name IS NULL",
    "name NOT LIKE '%z%'",
    "upper(name) = 'Z'",
    "name > 'b' OR n > 1",
    "n > 1",
    "NOT (n > 1)",
    "n <> 2",
    "n NOT BETWEEN 1 AND 2",
    "n + 1 > 2 OR n IS NULL",
    "n IS NULL OR d IS NULL",
    "n = 2 AND n = 3",
    "n > 1 AND n > 2 AND n < 9",
    "(n > 1) IS NOT TRUE",
    "(n > 1) IS NULL",
    "NOT (n > 1 AND name = 'z')",
    "CASE WHEN name IS NULL THEN true ELSE n > 1 END",
    "nullif(n, 2) IS NULL",
    "d > 1",
    "d >= 'Infinity'",
    "d = 'NaN'",
    "d <> 'NaN'",
    "isnan(d)",
    "d = 0",
    "d < 0 OR d IS NULL",
    "NOT (d <= 1)",
    "true",
    "false",
    "CAST(NULL AS BOOLEAN)",
];

type Ids = BTreeSet<i32>;

/// A table of all rows, to which every statement's table is restored.
struct World {
    local: Local,
    base: u64,
}

impl World {
    async fn new(tail: &str) -> Self {
        let local = Local::new();
        local.run(&format!("CREATE TABLE t (id INT, name STRING, n INT, d DOUBLE) {tail}")).await;
        for rows in FILES {
            local.run(&format!("INSERT INTO t VALUES {rows}")).await;
        }
        let base = local.version("t").await;
        Self { local, base }
    }

    async fn ids(&self, query: &str) -> Ids {
        let answer = self.local.run(query).await;
        answer.texts().iter().map(|row| row[0].parse().unwrap()).collect()
    }

    /// The rows for which a condition is true, by asking it of each.
    async fn matching(&self, source: &str, condition: &str) -> Ids {
        let answer = self.local.run(&format!("SELECT id, ({condition}) FROM {source}")).await;
        let rows = answer.texts().into_iter().filter(|row| row[1] == "true");
        rows.map(|row| row[0].parse().unwrap()).collect()
    }

    /// What a statement leaves of the ids, after which all is as before.
    async fn after(&self, sql: &str, ids: &str) -> Ids {
        self.local.run(sql).await;
        let left = self.ids(ids).await;
        self.local.run(&format!("RESTORE TABLE t TO VERSION AS OF {}", self.base)).await;
        left
    }

    async fn check(&self, condition: &str) {
        let all = self.ids("SELECT id FROM t").await;
        let matching = self.matching("t", condition).await;
        let rest: Ids = all.difference(&matching).copied().collect();
        let (remaining, changed) = ("SELECT id FROM t", "SELECT id FROM t WHERE name = 'changed'");
        let is = |what: &str, left: &Ids, right: &Ids| assert_eq!(left, right, "{what}: {condition}");

        is("WHERE", &self.ids(&format!("SELECT id FROM t WHERE {condition}")).await, &matching);
        is("DELETE", &self.after(&format!("DELETE FROM t WHERE {condition}"), remaining).await, &rest);
        let update = format!("UPDATE t SET name = 'changed' WHERE {condition}");
        is("UPDATE", &self.after(&update, changed).await, &matching);

        let merge =
            format!("MERGE INTO t USING (SELECT 1 AS k) AS s ON {condition} WHEN MATCHED THEN DELETE");
        is("MERGE ON", &self.after(&merge, remaining).await, &rest);
        // Odd ids are matched.
        let merge = format!(
            "MERGE INTO t USING (SELECT * FROM VALUES (1), (3), (5), (7) AS v(k)) AS s ON t.id = s.k
             WHEN MATCHED AND {condition} THEN DELETE WHEN NOT MATCHED BY SOURCE AND {condition} THEN DELETE"
        );
        is("MERGE WHEN", &self.after(&merge, remaining).await, &rest);

        let conforms = !self.matching(&format!("({NEW_ROW})"), condition).await.is_empty();
        let replace = format!("INSERT INTO t REPLACE WHERE {condition} {NEW_ROW}");
        if !conforms {
            assert_eq!(self.local.fails(&replace).await.0, "DELTA_REPLACE_WHERE_MISMATCH", "{condition}");
        }
        let (replace, expected) = match conforms {
            true => (replace, rest.iter().copied().chain([100]).collect()),
            false => (format!("{replace} WHERE false"), rest),
        };
        is("REPLACE WHERE", &self.after(&replace, remaining).await, &expected);
    }
}

async fn check(tail: &str, conditions: impl Iterator<Item = &'static str>) {
    let world = World::new(tail).await;
    for condition in conditions {
        world.check(condition).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_selects_the_same_rows_in_every_statement() {
    check("", CONDITIONS.into_iter()).await;
}

/// Every third, since each takes a dozen commits.
#[tokio::test(flavor = "multi_thread")]
async fn so_it_does_with_partitions_and_the_change_data_feed() {
    let tail = "PARTITIONED BY (name) TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')";
    check(tail, CONDITIONS.into_iter().step_by(3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_does_with_partitions_of_numbers_and_column_mapping() {
    let tail = "PARTITIONED BY (n) TBLPROPERTIES ('delta.columnMapping.mode' = 'name')";
    check(tail, CONDITIONS.into_iter().skip(1).step_by(3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decimals_of_more_digits_than_the_log_can_tell_are_found() {
    let local = Local::new();
    local.run("CREATE TABLE t (id INT, a DECIMAL(20,2), b DECIMAL(38,0), c DECIMAL(18,4), st STRUCT<d: DECIMAL(16,15)>, e DECIMAL(15,15))").await;
    let row = |id: i32| {
        format!(
            "({id}, 123456789012345678.99, -99999999999999999999999999999999999999, 12345678901234.5679, NULL, 0.999999999999999)"
        )
    };
    local.run(&format!("INSERT INTO t VALUES {}", row(1))).await;
    let conditions = [
        "a = 123456789012345678.99",
        "a > 123456789012345678.98",
        "b = -99999999999999999999999999999999999999",
        "b < -99999999999999999999999999999999999998",
        "c = 12345678901234.5679",
        "c < 12345678901234.5680",
        "st.d IS NULL",
        "e = 0.999999999999999",
        "e > 0.999999999999998",
    ];
    // Every road that writes files.
    for statement in [
        "UPDATE t SET id = id + 1".to_owned(),
        "MERGE INTO t USING (SELECT 1 AS k) AS s ON true WHEN MATCHED THEN UPDATE SET id = t.id + 1"
            .to_owned(),
        format!("INSERT INTO t VALUES {}", row(9)),
        "OPTIMIZE t".to_owned(),
        "INSERT INTO t REPLACE WHERE id = 9 SELECT * FROM t WHERE id = 9".to_owned(),
    ] {
        local.run(&statement).await;
        let all = local.run("SELECT count(*) FROM t").await;
        for condition in conditions {
            let found = local.run(&format!("SELECT count(*) FROM t WHERE {condition}")).await;
            assert_eq!(found.texts(), all.texts(), "{condition} after {statement}");
        }
    }
}
