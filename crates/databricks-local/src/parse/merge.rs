//! MERGE INTO.

use sqlparser::ast::{
    GroupByExpr, Ident, ObjectName, Query, Select, SelectFlavor, SelectItem, SetExpr, TableFactor,
    TableWithJoins, WildcardAdditionalOptions, helpers::attached_token::AttachedToken,
};
use sqlparser::tokenizer::Token;

use super::change::{assigned_value, assignments};
use super::command::{Command, Merge, MergeAction, MergeClause, MergeKind, Name};
use super::cursor::Cursor;
use crate::error::{LocalError, Result};

pub(super) fn merge(cursor: &mut Cursor) -> Result<Command> {
    cursor.expect_words(&["MERGE"])?;
    let schema_evolution = cursor.words(&["WITH", "SCHEMA", "EVOLUTION"]);
    cursor.expect_words(&["INTO"])?;
    let target = cursor.table()?;
    let target_alias = cursor.alias(&["USING"])?;
    cursor.expect_words(&["USING"])?;
    let (source, source_name, source_alias) = source(cursor)?;
    cursor.expect_words(&["ON"])?;
    let on = cursor.expr()?;
    let mut clauses = Vec::new();
    while cursor.word("WHEN") {
        clauses.push(clause(cursor)?);
    }
    cursor.end()?;
    check_clauses(&clauses)?;
    let merge =
        Merge { target, target_alias, source, source_name, source_alias, on, clauses, schema_evolution };
    Ok(Command::Merge(Box::new(merge)))
}

/// The source as a query, its name when it is a plain table, and its alias.
fn source(cursor: &mut Cursor) -> Result<(Box<Query>, Option<Name>, Option<String>)> {
    if cursor.token(&Token::LParen) {
        let query = cursor.query()?;
        cursor.expect(&Token::RParen)?;
        return Ok((query, None, cursor.alias(&["ON"])?));
    }
    let factor = cursor.table_factor()?;
    let TableFactor::Table { name, alias, args, .. } = &factor else {
        return Err(LocalError::unsupported_feature("this kind of MERGE source"));
    };
    let parts = match args {
        None => name.0.iter().map(|part| part.as_ident().map(|i| i.value.clone())).collect(),
        Some(_) => None,
    };
    let alias = match alias {
        Some(alias) if !alias.columns.is_empty() => {
            return Err(LocalError::unsupported_feature("column aliases of a MERGE source"));
        }
        alias => alias.as_ref().map(|a| a.name.value.clone()),
    };
    Ok((Box::new(select_all(factor)), parts, alias))
}

/// `SELECT * FROM factor`.
fn select_all(factor: TableFactor) -> Query {
    let select = Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: Vec::new(),
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection: vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())],
        exclude: None,
        into: None,
        from: vec![TableWithJoins { relation: factor, joins: Vec::new() }],
        lateral_views: Vec::new(),
        prewhere: None,
        selection: None,
        connect_by: Vec::new(),
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    };
    Query {
        with: None,
        body: Box::new(SetExpr::Select(Box::new(select))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

/// `FROM 'path'` as a relation named by the path.
pub(super) fn path_relation(path: &str) -> TableFactor {
    TableFactor::Table {
        name: ObjectName::from(vec![Ident::with_quote('`', path)]),
        alias: None,
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

/// A select list over one path.
pub(super) fn select_from_path(projection: Vec<SelectItem>, path: &str) -> Query {
    let mut query = select_all(path_relation(path));
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.projection = projection;
    }
    query
}

fn clause(cursor: &mut Cursor) -> Result<MergeClause> {
    let kind = kind(cursor)?;
    let condition = if cursor.word("AND") { Some(cursor.expr()?) } else { None };
    cursor.expect_words(&["THEN"])?;
    let action = match kind {
        MergeKind::NotMatched => insert_action(cursor)?,
        MergeKind::Matched | MergeKind::NotMatchedBySource => change_action(cursor, kind)?,
    };
    Ok(MergeClause { kind, condition, action })
}

fn kind(cursor: &mut Cursor) -> Result<MergeKind> {
    if cursor.word("MATCHED") {
        return Ok(MergeKind::Matched);
    }
    cursor.expect_words(&["NOT", "MATCHED"])?;
    if cursor.words(&["BY", "SOURCE"]) {
        return Ok(MergeKind::NotMatchedBySource);
    }
    cursor.words(&["BY", "TARGET"]);
    Ok(MergeKind::NotMatched)
}

fn change_action(cursor: &mut Cursor, kind: MergeKind) -> Result<MergeAction> {
    if cursor.word("DELETE") {
        return Ok(MergeAction::Delete);
    }
    cursor.expect_words(&["UPDATE", "SET"])?;
    if kind == MergeKind::Matched && cursor.token(&Token::Mul) {
        return Ok(MergeAction::UpdateAll);
    }
    Ok(MergeAction::Update(assignments(cursor)?))
}

fn insert_action(cursor: &mut Cursor) -> Result<MergeAction> {
    cursor.expect_words(&["INSERT"])?;
    if cursor.token(&Token::Mul) {
        return Ok(MergeAction::InsertAll);
    }
    let at = cursor.here();
    let columns = cursor.parenthesized(Cursor::path)?;
    cursor.expect_words(&["VALUES"])?;
    let values = cursor.parenthesized(assigned_value)?;
    if columns.len() != values.len() {
        let message = format!(
            "The number of columns ({}) of a MERGE INSERT clause does not match its number of values ({}).",
            columns.len(),
            values.len()
        );
        return Err(LocalError::new("MERGE_INSERT_VALUE_COUNT_MISMATCH", "42601", message).at(at));
    }
    Ok(MergeAction::Insert { columns, values })
}

/// At least one clause, and only the last of a kind without a condition.
fn check_clauses(clauses: &[MergeClause]) -> Result<()> {
    if clauses.is_empty() {
        let message = "There must be at least one WHEN clause in a MERGE statement.";
        return Err(LocalError::new("DELTA_MERGE_MISSING_WHEN", "42601", message));
    }
    for (class, kind, name) in [
        ("NON_LAST_MATCHED_CLAUSE_OMIT_CONDITION", MergeKind::Matched, "MATCHED"),
        (
            "NON_LAST_NOT_MATCHED_BY_TARGET_CLAUSE_OMIT_CONDITION",
            MergeKind::NotMatched,
            "NOT MATCHED [BY TARGET]",
        ),
        (
            "NON_LAST_NOT_MATCHED_BY_SOURCE_CLAUSE_OMIT_CONDITION",
            MergeKind::NotMatchedBySource,
            "NOT MATCHED BY SOURCE",
        ),
    ] {
        let of_kind: Vec<_> = clauses.iter().filter(|c| c.kind == kind).collect();
        let earlier = of_kind.split_last().map_or(&[][..], |(_, earlier)| earlier);
        if earlier.iter().any(|c| c.condition.is_none()) {
            let message = format!(
                "When there are more than one {name} clauses in a MERGE statement, only the last {name} clause can omit the condition."
            );
            return Err(LocalError::new(class, "42613", message));
        }
    }
    Ok(())
}
