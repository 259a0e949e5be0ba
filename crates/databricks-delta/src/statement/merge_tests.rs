//! The merge statement in every clause form.

#![allow(clippy::unwrap_used)]

use databricks_schema::{DataType, TableName};

use super::cast::CastColumn;
use super::merge::*;

fn target() -> TableName {
    TableName::new("main", "weather", "da`ys").unwrap()
}

fn clause(when: When, condition: Option<&str>, action: Action) -> Clause {
    Clause { when, condition: condition.map(str::to_owned), action }
}

fn plan(clauses: Vec<Clause>) -> MergePlan {
    MergePlan { on: Some("target.id = source.id".into()), clauses, ..MergePlan::default() }
}

fn insert() -> Action {
    Action::Insert { columns: "id, value".into(), values: "source.id, source.value".into() }
}

#[test]
fn every_clause_form_in_delta_s_order() {
    use When::*;
    let plan = plan(vec![
        clause(NotMatchedBySource, None, Action::Delete),
        clause(NotMatchedBySource, Some("target.day < '2020-01-01'"), Action::Update("kept = false".into())),
        clause(NotMatched, None, Action::InsertAll),
        clause(NotMatched, Some("source.value > 0"), insert()),
        clause(NotMatched, Some("source.value < 0"), Action::InsertAll),
        clause(Matched, None, Action::UpdateAll),
        clause(Matched, Some("source.deleted"), Action::Delete),
        clause(Matched, Some("source.value IS NULL"), Action::Update("target.checked = true".into())),
        clause(Matched, Some("source.newer"), Action::UpdateAll),
    ]);
    plan.check().unwrap();
    insta::assert_snapshot!(plan.to_sql(&target(), "`main`.`weather`.`corrections`"));
}

#[test]
fn unconditional_forms() {
    use When::*;
    let plan = plan(vec![
        clause(Matched, None, Action::Update("target.value = source.value".into())),
        clause(NotMatched, None, insert()),
        clause(NotMatchedBySource, None, Action::Update("gone = true".into())),
    ]);
    plan.check().unwrap();
    insta::assert_snapshot!(plan.to_sql(&target(), &query_source("SELECT * FROM x WHERE a = 'b';")));
}

#[test]
fn keys_are_quoted_and_joined_to_a_condition() {
    let plan = MergePlan {
        on: Some("target.day > '2026-01-01' OR source.forced -- all".into()),
        keys: vec!["id".into(), "st`ation".into()],
        clauses: vec![clause(When::Matched, None, Action::Delete)],
        schema_evolution: true,
        mark: None,
    };
    insta::assert_snapshot!(plan.to_sql(&target(), &query_source("SELECT 1 AS id -- one")));
    let marked = MergePlan { mark: Some("mark <> 'write 5b3'".into()), keys: Vec::new(), ..plan };
    let sql = marked.to_sql(&target(), "`s`");
    assert!(
        sql.contains("\nON (target.day > '2026-01-01' OR source.forced -- all\n) AND mark <> 'write 5b3'\n"),
        "{sql}"
    );
}

#[test]
fn a_comment_in_the_callers_sql_swallows_nothing() {
    let plan = plan(vec![
        clause(When::Matched, Some("source.deleted -- gone"), Action::Delete),
        clause(
            When::NotMatched,
            None,
            Action::Insert { columns: "id -- key".into(), values: "source.id -- key".into() },
        ),
        clause(When::NotMatchedBySource, None, Action::Update("gone = true -- yes".into())),
    ]);
    insta::assert_snapshot!(plan.to_sql(&target(), "`s`"));
}

#[test]
fn rows_written_out_as_a_source() {
    let names = ["id".to_owned(), "a`b".to_owned()];
    let rows = vec![vec!["1".to_owned(), "'it\\'s'".to_owned()], vec!["2".to_owned(), "NULL".to_owned()]];
    let casts = [CastColumn::new("id", "id", &DataType::BigInt, false).unwrap(), CastColumn::plain("a`b")];
    insta::assert_snapshot!(values_source(&names, &rows, &casts));
}

#[test]
fn staged_files_as_a_source() {
    let casts =
        [CastColumn::new("ID", "id", &DataType::BigInt, false).unwrap(), CastColumn::plain("deleted")];
    insta::assert_snapshot!(staged_source("/Volumes/main/weather/_staging/0b", Some(1_000), &casts));
}

#[test]
fn a_clause_by_source_may_hold_the_word_source() {
    use When::*;
    let set = "note = 'source.n', n = target.source.n -- source.n".to_owned();
    let plan = plan(vec![
        clause(NotMatchedBySource, Some("source IS NULL AND target.`source`.n > 1"), Action::Update(set)),
        clause(Matched, Some("source.n > 1"), Action::Delete),
        clause(NotMatched, Some("source.n > 1"), insert()),
    ]);
    plan.check().unwrap();
}

#[test]
fn what_the_server_would_refuse_is_refused_here() {
    use When::*;
    let delete = || clause(Matched, None, Action::Delete);
    let cases = [
        ("no condition", MergePlan { clauses: vec![delete()], ..MergePlan::default() }),
        (
            "blank condition",
            MergePlan { on: Some("  ".into()), clauses: vec![delete()], ..MergePlan::default() },
        ),
        (
            "empty key",
            MergePlan { keys: vec![String::new()], clauses: vec![delete()], ..MergePlan::default() },
        ),
        ("no clause", plan(vec![])),
        ("two unconditional", plan(vec![delete(), clause(Matched, None, Action::UpdateAll)])),
        (
            "two unconditional inserts",
            plan(vec![clause(NotMatched, None, insert()), clause(NotMatched, None, Action::InsertAll)]),
        ),
        ("empty WHEN condition", plan(vec![clause(Matched, Some(" "), Action::Delete)])),
        ("empty SET", plan(vec![clause(Matched, None, Action::Update(String::new()))])),
        (
            "source BY SOURCE",
            plan(vec![clause(NotMatchedBySource, Some("target.n > `Source` . n"), Action::Delete)]),
        ),
        (
            "source in a SET BY SOURCE",
            plan(vec![clause(NotMatchedBySource, None, Action::Update("n = source.n".into()))]),
        ),
        (
            "insert without columns",
            plan(vec![clause(
                NotMatched,
                None,
                Action::Insert { columns: String::new(), values: "1".into() },
            )]),
        ),
    ];
    let reasons = cases.map(|(name, plan)| format!("{name}: {}", plan.check().unwrap_err()));
    insta::assert_snapshot!(reasons.join("\n"));
}
