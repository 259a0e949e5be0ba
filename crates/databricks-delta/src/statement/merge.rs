//! MERGE INTO, with the whole of Delta's grammar.

use std::fmt::Write;

use databricks_schema::{TableName, quote};
use databricks_sql::qualifiers;

use super::cast::CastColumn;
use super::insert;

/// What a WHEN clause is about. The order is the order of the clauses in the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum When {
    Matched,
    NotMatched,
    NotMatchedBySource,
}

impl When {
    const ALL: [Self; 3] = [Self::Matched, Self::NotMatched, Self::NotMatchedBySource];

    fn as_str(self) -> &'static str {
        match self {
            Self::Matched => "WHEN MATCHED",
            Self::NotMatched => "WHEN NOT MATCHED",
            Self::NotMatchedBySource => "WHEN NOT MATCHED BY SOURCE",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Update(String),
    UpdateAll,
    Insert { columns: String, values: String },
    InsertAll,
    Delete,
}

/// One WHEN clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clause {
    pub(crate) when: When,
    pub(crate) condition: Option<String>,
    pub(crate) action: Action,
}

/// A merge without its source, which is rendered apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct MergePlan {
    pub(crate) on: Option<String>,
    pub(crate) keys: Vec<String>,
    pub(crate) clauses: Vec<Clause>,
    pub(crate) schema_evolution: bool,
    /// A term that is always true, by which the table's history shows that this merge happened.
    pub(crate) mark: Option<String>,
}

impl MergePlan {
    /// Says why the server would refuse this merge, if it would.
    pub(crate) fn check(&self) -> Result<(), String> {
        let on = self.on.as_deref().map(str::trim);
        if self.keys.is_empty() && on.is_none_or(str::is_empty) {
            return Err("it has no condition that pairs rows: call `on` or `on_keys`".to_owned());
        }
        if self.keys.iter().any(|key| key.is_empty()) {
            return Err("a key column of `on_keys` has an empty name".to_owned());
        }
        if self.clauses.is_empty() {
            return Err(
                "it has no WHEN clause: call one of `when_matched_..`, `when_not_matched_..`".to_owned()
            );
        }
        self.clauses.iter().try_for_each(check_clause)?;
        When::ALL.into_iter().try_for_each(|when| self.check_unconditional(when))
    }

    fn check_unconditional(&self, when: When) -> Result<(), String> {
        let unconditional =
            self.clauses.iter().filter(|clause| clause.when == when && clause.condition.is_none());
        match unconditional.count() {
            0 | 1 => Ok(()),
            _ => Err(format!(
                "it has more than one {} clause without a condition: only one can apply",
                when.as_str()
            )),
        }
    }

    /// The statement. The source is a table's name or a query in parentheses.
    pub(crate) fn to_sql(&self, target: &TableName, source: &str) -> String {
        let evolution = if self.schema_evolution { " WITH SCHEMA EVOLUTION" } else { "" };
        let mut sql = format!(
            "MERGE{evolution} INTO {target} AS target\nUSING {source} AS source\nON {}",
            self.condition()
        );
        for clause in self.ordered() {
            let _ = write!(sql, "\n{}", clause.to_sql());
        }
        sql
    }

    fn condition(&self) -> String {
        let keys = self.keys.iter().map(|key| {
            let key = quote::identifier(key);
            format!("target.{key} = source.{key}")
        });
        let mut terms: Vec<String> = keys.collect();
        match &self.on {
            Some(on) if terms.is_empty() && self.mark.is_none() => terms.push(on.clone()),
            Some(on) => terms.push(format!("({on}\n)")),
            None => {}
        }
        terms.extend(self.mark.clone());
        terms.join(" AND ")
    }

    /// The clauses kind by kind; within a kind the unconditional one last, as Delta demands. Conditional ones keep
    /// the caller's order, because the first that holds wins.
    fn ordered(&self) -> Vec<&Clause> {
        let mut clauses: Vec<&Clause> = self.clauses.iter().collect();
        clauses.sort_by_key(|clause| (clause.when, clause.condition.is_none()));
        clauses
    }
}

fn check_clause(clause: &Clause) -> Result<(), String> {
    let empty = |text: &str| text.trim().is_empty();
    if clause.condition.as_deref().is_some_and(empty) {
        return Err(format!("a {} clause has an empty condition", clause.when.as_str()));
    }
    if clause.when == When::NotMatchedBySource && clause.names_source() {
        return Err(format!(
            "a {} clause names the source, which has no row there: name columns of the target only (one of them that is itself called `source` is `target.source`)",
            clause.when.as_str()
        ));
    }
    match &clause.action {
        Action::Update(set) if empty(set) => Err(format!("a {} clause updates nothing: its SET list is empty", clause.when.as_str())),
        Action::Insert { columns, values } if empty(columns) || empty(values) => {
            Err("an insert clause needs columns and values: use `when_not_matched_insert_all` to insert every column".to_owned())
        }
        _ => Ok(()),
    }
}

impl Clause {
    /// Whether a column of the source is named, by the name that the source has in the statement.
    fn names_source(&self) -> bool {
        let set = match &self.action {
            Action::Update(set) => Some(set),
            _ => None,
        };
        let names = self.condition.iter().chain(set).flat_map(|sql| qualifiers(sql));
        names.into_iter().any(|name| name.eq_ignore_ascii_case("source"))
    }

    fn to_sql(&self) -> String {
        let mut sql = self.when.as_str().to_owned();
        if let Some(condition) = &self.condition {
            let _ = write!(sql, " AND {condition}\n ");
        }
        sql.push_str(" THEN ");
        match &self.action {
            Action::Update(set) => sql.push_str(&format!("UPDATE SET {set}")),
            Action::UpdateAll => sql.push_str("UPDATE SET *"),
            Action::Insert { columns, values } => {
                sql.push_str(&format!("INSERT ({columns}\n) VALUES ({values}\n)"))
            }
            Action::InsertAll => sql.push_str("INSERT *"),
            Action::Delete => sql.push_str("DELETE"),
        }
        sql
    }
}

/// A source of rows written out in the statement.
pub(crate) fn values_source(names: &[String], rows: &[Vec<String>], casts: &[CastColumn]) -> String {
    let rows = rows.iter().map(|row| format!("({})", row.join(", "))).collect::<Vec<_>>().join(",\n  ");
    format!("(SELECT {}\nFROM VALUES\n  {rows}\n  AS v({}))", select_list(casts), quote::column_list(names))
}

/// A source of rows in staged files.
pub(crate) fn staged_source(directory: &str, rows: Option<u64>, casts: &[CastColumn]) -> String {
    // Columns are named, because `read_files` adds one of rescued data, which INSERT * would take for the table's.
    format!("(SELECT {}\nFROM {})", select_list(casts), insert::staged(directory, rows))
}

/// A query of the caller's.
pub(crate) fn query_source(query: &str) -> String {
    format!("({}\n)", query.trim().trim_end_matches(';'))
}

fn select_list(casts: &[CastColumn]) -> String {
    casts.iter().map(CastColumn::to_sql).collect::<Vec<_>>().join(", ")
}
