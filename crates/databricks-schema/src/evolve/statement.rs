//! The statements that make changes: as few as can be, each one commit.

use std::fmt;

use super::change::SchemaChange;
use crate::{ColumnSchema, TableName, quote};

/// A statement of a plan. It makes all of its changes in one commit, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanStatement {
    /// The SQL, without a semicolon.
    pub sql: String,
    /// What it changes.
    pub changes: Vec<SchemaChange>,
}

impl PlanStatement {
    /// Why its changes cannot be taken back, each reason once.
    pub fn permanent(&self) -> Vec<&'static str> {
        let mut reasons: Vec<&str> = Vec::new();
        for reason in self.changes.iter().filter_map(SchemaChange::permanent) {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        reasons
    }

    /// What it does, in a few words.
    fn title(&self) -> String {
        let count = self.changes.len();
        let plural = if count == 1 { "" } else { "s" };
        match self.changes.first() {
            Some(SchemaChange::SetProperty { .. }) if count == 1 => "Set a table property".to_owned(),
            Some(SchemaChange::SetProperty { .. }) => format!("Set {count} table properties"),
            Some(SchemaChange::AddColumn(_)) => format!("Add {count} column{plural}"),
            Some(SchemaChange::DropColumn { .. }) => format!("Drop {count} column{plural}"),
            Some(SchemaChange::RenameColumn { .. }) => "Rename a column".to_owned(),
            Some(SchemaChange::WidenType(_)) => "Widen a type".to_owned(),
            Some(SchemaChange::MoveColumn { .. }) => "Move a column".to_owned(),
            Some(SchemaChange::DropNotNull { .. }) => "Allow NULL".to_owned(),
            Some(SchemaChange::SetNotNull { .. }) => "Refuse NULL (every row is looked at first)".to_owned(),
            Some(SchemaChange::SetDefault { .. }) => "Set a default".to_owned(),
            Some(SchemaChange::DropDefault { .. }) => "Drop a default".to_owned(),
            Some(SchemaChange::SetComment { .. }) => "Set a comment".to_owned(),
            None => "Nothing".to_owned(),
        }
    }
}

/// The title and a line for each change.
impl fmt::Display for PlanStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title())?;
        self.changes.iter().try_for_each(|change| write!(f, "\n     {change}"))
    }
}

/// The statements for changes in their order. Properties, additions and drops are one statement each.
pub(super) fn statements(table: &TableName, changes: Vec<SchemaChange>) -> Vec<PlanStatement> {
    let mut groups: Vec<Vec<SchemaChange>> = Vec::new();
    for change in changes {
        match groups.last_mut() {
            Some(group) if group.last().is_some_and(|last| goes_with(last, &change)) => group.push(change),
            _ => groups.push(vec![change]),
        }
    }
    let statements = groups.into_iter().map(|changes| PlanStatement { sql: sql(table, &changes), changes });
    statements.collect()
}

fn goes_with(last: &SchemaChange, change: &SchemaChange) -> bool {
    use SchemaChange::{AddColumn, DropColumn, SetProperty};
    matches!(
        (last, change),
        (SetProperty { .. }, SetProperty { .. })
            | (AddColumn(_), AddColumn(_))
            | (DropColumn { .. }, DropColumn { .. })
    )
}

/// The statement for changes that go together.
fn sql(table: &TableName, changes: &[SchemaChange]) -> String {
    let list = |part: &dyn Fn(&SchemaChange) -> Option<String>| {
        changes.iter().filter_map(part).collect::<Vec<_>>().join(", ")
    };
    let action = match changes.first() {
        Some(SchemaChange::SetProperty { .. }) => format!("SET TBLPROPERTIES ({})", list(&property)),
        Some(SchemaChange::AddColumn(_)) => format!("ADD COLUMNS ({})", list(&definition)),
        Some(SchemaChange::DropColumn { .. }) => {
            format!("DROP COLUMNS ({})", list(&|change| Some(change.column()?.to_sql())))
        }
        Some(change) => alone(change),
        None => String::new(),
    };
    format!("ALTER TABLE {table} {action}")
}

fn property(change: &SchemaChange) -> Option<String> {
    let SchemaChange::SetProperty { key, to, .. } = change else { return None };
    Some(format!("{} = {}", quote::string(key), quote::string(to)))
}

fn definition(change: &SchemaChange) -> Option<String> {
    let SchemaChange::AddColumn(new) = change else { return None };
    Some(new.definition())
}

/// The action of a change that has a statement to itself.
fn alone(change: &SchemaChange) -> String {
    let column = change.column().unwrap_or_default().to_sql();
    match change {
        SchemaChange::RenameColumn { to, .. } => {
            format!("RENAME COLUMN {column} TO {}", quote::identifier(to))
        }
        SchemaChange::WidenType(widened) => format!("ALTER COLUMN {column} TYPE {}", widened.to),
        SchemaChange::MoveColumn { position, .. } => format!("ALTER COLUMN {column} {position}"),
        SchemaChange::DropNotNull { .. } => format!("ALTER COLUMN {column} DROP NOT NULL"),
        SchemaChange::SetNotNull { .. } => format!("ALTER COLUMN {column} SET NOT NULL"),
        SchemaChange::SetDefault { default, .. } => format!("ALTER COLUMN {column} SET DEFAULT {default}"),
        SchemaChange::DropDefault { .. } => format!("ALTER COLUMN {column} DROP DEFAULT"),
        SchemaChange::SetComment { to, .. } => format!("ALTER COLUMN {column} COMMENT {}", quote::string(to)),
        SchemaChange::SetProperty { .. } | SchemaChange::AddColumn(_) | SchemaChange::DropColumn { .. } => {
            String::new()
        }
    }
}

/// `ALTER TABLE .. ADD COLUMNS`: one statement for all columns, so that either all are added or none.
///
/// Delta refuses NOT NULL and DEFAULT there: columns that say so are for the caller to refuse.
pub fn add_columns(table: &TableName, columns: &[ColumnSchema]) -> String {
    let columns = columns.iter().map(ColumnSchema::to_string).collect::<Vec<_>>().join(", ");
    format!("ALTER TABLE {table} ADD COLUMNS ({columns})")
}
