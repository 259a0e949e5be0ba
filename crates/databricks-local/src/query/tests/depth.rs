//! Statements of very many terms: an answer or a refusal, never the end of the process.

use super::*;

const TOO_COMPLEX: &str = "[FAILED_TO_PARSE_TOO_COMPLEX] 54001";

/// The answer on a thread with half the stack that a server's threads have.
fn on_a_small_stack(sql: String) -> String {
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        match runtime.block_on(run(&sql, &Parameters::default())) {
            Ok((_, text)) => text,
            Err(error) => format!("[{}] {}", error.class(), error.sql_state()),
        }
    });
    thread.unwrap().join().unwrap()
}

fn terms(count: usize, term: impl Fn(usize) -> String, between: &str) -> String {
    (0..count).map(term).collect::<Vec<_>>().join(between)
}

#[test]
fn chains_that_are_planned_as_lists_are_answered() {
    let wide = 230;
    for (sql, expected) in [
        (format!("SELECT id FROM s WHERE {}", terms(wide, |n| format!("id = {}", n + 9), " OR ")), "INT: 9"),
        (
            format!("SELECT id FROM s WHERE id > 5 AND {}", terms(wide, |n| format!("id <> {n}0"), " AND ")),
            "INT: 9",
        ),
        (format!("SELECT length({})", terms(wide, |_| "'a'".into(), " || ")), "INT: 230"),
        (format!("SELECT id FROM s WHERE id IN ({})", terms(5_000, |n| (n + 9).to_string(), ", ")), "INT: 9"),
    ] {
        assert_eq!(on_a_small_stack(sql), expected);
    }
}

#[test]
fn a_long_chain_of_conditions_that_can_fail_grows_no_faster_than_it_is_written() {
    let sql = format!(
        "SELECT x FROM VALUES ('7') AS v(x) WHERE {}",
        terms(60, |n| format!("CAST(x AS INT) = {n}"), " OR ")
    );
    assert_eq!(on_a_small_stack(sql), "STRING: 7");
}

#[test]
fn the_deepest_trees_that_are_let_through_are_answered() {
    let deep = 55;
    for (sql, expected) in [
        (format!("SELECT {}", terms(deep, |_| "1".into(), " + ")), "INT: 55".to_owned()),
        (format!("SELECT sum(id) + {} FROM s", terms(deep, |_| "1".into(), " + ")), "BIGINT: 69".to_owned()),
        (
            format!("SELECT count(*) FROM s WHERE {} > 1", terms(deep, |_| "id".into(), " + ")),
            "BIGINT: 4".to_owned(),
        ),
        (
            format!("SELECT count(*) FROM ({})", terms(deep, |_| "SELECT 1".into(), " UNION ALL ")),
            "BIGINT: 55".to_owned(),
        ),
        (terms(14, |_| "SELECT 1".into(), " UNION "), "INT: 1".to_owned()),
        (terms(14, |_| "SELECT id FROM s".into(), " INTERSECT ") + " ORDER BY 1", "INT: 1; 3; 9".to_owned()),
    ] {
        assert_eq!(on_a_small_stack(sql), expected);
    }
}

#[test]
fn deeper_trees_are_refused() {
    let deep = 10_000;
    for sql in [
        format!("SELECT {}", terms(deep, |_| "1".into(), " + ")),
        format!("SELECT {}", terms(deep, |_| "id".into(), " * ")),
        format!("SELECT {}", terms(deep, |_| "'a'".into(), " || ")),
        format!("SELECT id FROM s WHERE {}", terms(deep, |n| format!("id = {n}"), " OR ")),
        format!("SELECT id FROM s WHERE {}", terms(deep, |n| format!("id BETWEEN 1 AND {n}"), " AND ")),
        terms(deep, |_| "SELECT 1".into(), " UNION ALL "),
        terms(deep, |_| "SELECT 1".into(), " EXCEPT "),
        format!("SELECT CAST(NULL AS {}INT{})", "ARRAY<".repeat(deep), ">".repeat(deep)),
        format!("SELECT {}1{}", "(".repeat(deep), ")".repeat(deep)),
        format!("SELECT {} true", "NOT ".repeat(deep)),
        format!("SELECT 1 {}", "IS NULL ".repeat(deep)),
        format!("SELECT 1{}", "::int".repeat(deep)),
        format!("SELECT {}", terms(deep, |_| "t.where".into(), " + ")),
        format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(deep), " END".repeat(deep)),
    ] {
        let start: String = sql.chars().take(60).collect();
        assert_eq!(on_a_small_stack(sql), TOO_COMPLEX, "{start}");
    }
}

fn with_chain(tables: usize) -> String {
    let next = |n: usize| format!("a{} AS (SELECT x + 1 AS x FROM a{n})", n + 1);
    format!("WITH a0 AS (SELECT 0 AS x), {} SELECT x FROM a{tables}", terms(tables, next, ", "))
}

fn doubling_chain(tables: usize) -> String {
    let next = |n: usize| format!("a{} AS (SELECT l.x FROM a{n} l JOIN a{n} r ON l.x = r.x)", n + 1);
    format!("WITH a0 AS (SELECT 0 AS x), {} SELECT x FROM a{tables}", terms(tables, next, ", "))
}

fn joins(relations: usize, between: &str, on: impl Fn(usize) -> String) -> String {
    let relation = |n: usize| format!("(VALUES (1)) t{n}(x{n}){}", if n > 0 { on(n) } else { String::new() });
    format!("SELECT count(*) FROM {}", terms(relations, relation, between))
}

#[test]
fn long_chains_of_tables_are_answered_or_refused() {
    let equal = |n: usize| format!(" ON t0.x0 = t{n}.x{n}");
    let cross = |_: usize| String::new();
    for (sql, expected) in [
        (with_chain(40), "INT: 40"),
        (joins(35, " JOIN ", equal), "BIGINT: 1"),
        (joins(35, ", ", cross), "BIGINT: 1"),
        (with_chain(1_000), TOO_COMPLEX),
        (doubling_chain(4), "INT: 0"),
        (doubling_chain(25), TOO_COMPLEX),
        (joins(10_000, " JOIN ", equal), TOO_COMPLEX),
        (joins(10_000, ", ", cross), TOO_COMPLEX),
    ] {
        let start: String = sql.chars().take(60).collect();
        assert_eq!(on_a_small_stack(sql), expected, "{start}");
    }
}
