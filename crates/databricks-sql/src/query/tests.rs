//! The SQL that queries are built to, and the texts that are refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use chrono::{FixedOffset, TimeZone, Utc};
use databricks_schema::TableName;
use databricks_transport::{Client, DatabricksConfig};
use proptest::prelude::*;

use super::*;

fn query() -> QueryBuilder {
    let config = DatabricksConfig::new("https://workspace.invalid").unwrap().with_token("dapi-test");
    SqlClient::new(&Client::builder(config).build().unwrap(), "w1").query()
}

fn days() -> QueryBuilder {
    query().from_table("main.weather.days")
}

#[test]
fn queries_read_as_somebody_would_write_them() {
    let at = Utc.with_ymd_and_hms(2024, 2, 29, 1, 2, 3).unwrap();
    let pacific = FixedOffset::west_opt(8 * 3600).unwrap();
    let table = TableName::new("main", "weather", "my`days").unwrap();
    let queries = [
        days(),
        query().from_table("days").select(["*"]).select_expr("wind * 2 AS double_wind"),
        query().from_table(&table).select(["station", "order", "a.b", "a`b"]).limit(0),
        days().where_clause("wind > :least OR day = :day").where_clause("station LIKE 'S(%'").limit(10),
        days()
            .version_as_of(7)
            .order_by("wind")
            .order_by_desc("day")
            .order_by_expr("lower(station) NULLS LAST"),
        days().timestamp_as_of(at.with_timezone(&pacific)).where_clause("a = 1 -- note\\"),
    ];
    let sql: Vec<String> = queries.iter().map(|query| query.to_sql().unwrap()).collect();
    insta::assert_snapshot!(sql.join("\n"));
}

#[test]
fn values_travel_as_parameters() {
    let hostile = "x' OR 1=1 --";
    let statement = days()
        .where_clause("station = :station AND wind > :least")
        .with_parameter("station", hostile)
        .with_parameter("least", None::<f64>)
        .build()
        .unwrap();
    assert!(!statement.sql().contains("OR 1=1"), "{}", statement.sql());
    let bound: Vec<_> = statement.parameters().collect();
    assert_eq!(bound, [(Some("station"), &hostile.into_param()), (Some("least"), &Param::null("DOUBLE"))]);
}

#[test]
fn texts_that_do_not_stand_for_themselves_are_refused() {
    let refused = [
        query(),
        query().from_table(""),
        query().from_table("a.b.c.d"),
        query().from_table("days; DROP TABLE days`"),
        days().select([""]),
        days().order_by_desc(""),
        days().version_as_of(1).timestamp_as_of(Utc.timestamp_opt(0, 0).unwrap()),
        days().limit(1 << 31),
        days().where_clause(" /* nothing */ "),
        days().where_clause("1 = 1) OR (1 = 1"),
        days().where_clause("a IN (1, 2"),
        days().where_clause("a[1) = 2"),
        days().where_clause("a = 'it"),
        days().where_clause("a = 1 /* so"),
        days().where_clause("a = 1; DROP TABLE days"),
        days().select_expr("a FROM b) x, (SELECT 1"),
        days().order_by_expr("\"a"),
    ];
    let refusals: Vec<String> =
        refused.into_iter().map(|query| query.build().unwrap_err().to_string()).collect();
    insta::assert_snapshot!(refusals.join("\n"));
}

/// The pieces of a statement that are neither white space nor comments.
fn words(sql: &str) -> Vec<(Kind, &str)> {
    let pieces = Pieces::of(sql).filter(|piece| piece.kind != Kind::Comment && !piece.text.trim().is_empty());
    pieces.map(|piece| (piece.kind, piece.text)).collect()
}

proptest! {
    #[test]
    fn any_name_is_one_name_that_reads_back(column in "\\PC{1,20}|[`'\"\\\\; -]{1,8}", table in "[^.` ]{1,10}|[`; '-]{1,8}") {
        prop_assume!(column != "*");
        let query = query().select([&column]).from_table(quote::identifier(&table)).order_by(&column);
        let sql = query.to_sql().unwrap();
        let (column, table) = (quote::identifier(&column), quote::identifier(&table));
        prop_assert_eq!(&sql, &format!("SELECT {column} FROM {table} ORDER BY {column}"));
        // Read by the rules of SQL there are the keywords and names, and nothing else.
        let code: Vec<_> = words(&sql).into_iter().filter(|(kind, _)| *kind != Kind::Name).map(|(_, text)| text).collect();
        prop_assert_eq!(code, ["SELECT", "FROM", "ORDER", "BY"]);
        prop_assert_eq!(quote::split_name(&table).unwrap().len(), 1);
    }

    /// However strange a condition is, it is refused or leaves what follows it as it was.
    #[test]
    fn no_condition_changes_what_stands_after_it(condition in "[a-c1'\"`\\\\()\\[\\];$*/ \n\r-]{1,16}") {
        if let Ok(sql) = days().where_clause(condition.clone()).limit(7).to_sql() {
            let tail: Vec<_> = words(&sql).into_iter().rev().take(3).collect();
            prop_assert_eq!(tail, [(Kind::Literal, "7"), (Kind::Code, "LIMIT"), (Kind::Code, ")")], "{}", condition);
        }
    }
}
