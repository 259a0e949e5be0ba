//! Making changes to a description: what a table is once a plan has run.

use super::change::{NewColumn, Position, SchemaChange};
use super::{ColumnPath, EvolutionPlan, same_name};
use crate::{ColumnSchema, DataType, StatementError, StructField, TableDescription};

impl TableDescription {
    /// The table as it is once the plan has run.
    pub fn after(&self, plan: &EvolutionPlan) -> Self {
        let mut table = self.clone();
        plan.changes().for_each(|change| table.make(change));
        table
    }

    /// Why the change cannot be made to the table as it is: a column that is to be added is there, or another is not.
    pub(crate) fn refusal(&self, change: &SchemaChange) -> Option<StatementError> {
        let (class, column) = match change {
            SchemaChange::SetProperty { .. } => return None,
            SchemaChange::AddColumn(new) if self.has(&new.path()) => ("FIELD_ALREADY_EXISTS", new.path()),
            SchemaChange::AddColumn(new) if new.parent.names().is_empty() || self.has(&new.parent) => {
                return None;
            }
            change => match change.column() {
                Some(column) if !self.has(&column) => ("UNRESOLVED_COLUMN", column),
                _ => return None,
            },
        };
        Some(StatementError::new(format!("[{class}] {column}")).with_error_class(class))
    }

    fn has(&self, column: &ColumnPath) -> bool {
        let Some((root, rest)) = column.names().split_first() else { return false };
        let root = self.schema.column(root);
        root.is_some_and(|root| descend(&mut root.data_type.clone(), rest).is_some())
    }

    /// Makes one change. One of a column that is not there changes nothing.
    pub(crate) fn make(&mut self, change: &SchemaChange) {
        match change {
            SchemaChange::SetProperty { key, to, .. } => {
                self.properties.insert(key.clone(), to.clone());
            }
            SchemaChange::RenameColumn { column, to } => {
                self.column(column, |found| found.name.clone_from(to));
                if column.is_top_level() {
                    let keys = self.keys.iter_mut().flat_map(|key| &mut key.columns);
                    let names = keys.chain(&mut self.partition_columns).chain(&mut self.clustering_columns);
                    names.filter(|name| same_name(name, column.name())).for_each(|name| name.clone_from(to));
                }
            }
            SchemaChange::DropColumn { column } => self.level(&column.parent(), |level| {
                level.retain(|other| !same_name(&other.name, column.name()));
            }),
            SchemaChange::AddColumn(NewColumn { parent, column, position }) => {
                self.level(parent, |level| insert(level, column.clone(), position.as_ref()));
            }
            SchemaChange::MoveColumn { column, position } => self.level(&column.parent(), |level| {
                if let Some(at) = level.iter().position(|other| same_name(&other.name, column.name())) {
                    let moved = level.remove(at);
                    insert(level, moved, Some(position));
                }
            }),
            SchemaChange::WidenType(widened) => self.data_type(&widened.column, &widened.to),
            SchemaChange::DropNotNull { column } => self.column(column, |found| found.nullable = true),
            SchemaChange::SetNotNull { column } => self.column(column, |found| found.nullable = false),
            SchemaChange::SetDefault { column, default } => {
                self.column(column, |found| found.default = Some(default.clone()));
            }
            SchemaChange::DropDefault { column } => self.column(column, |found| found.default = None),
            SchemaChange::SetComment { column, to, .. } => {
                self.column(column, |found| found.comment = Some(to.clone()));
            }
        }
    }

    fn column(&mut self, column: &ColumnPath, change: impl FnOnce(&mut ColumnSchema)) {
        self.level(&column.parent(), |level| {
            if let Some(found) = level.iter_mut().find(|other| same_name(&other.name, column.name())) {
                change(found);
            }
        });
    }

    /// Changes the columns of the table, or the fields of the struct at `path`.
    fn level(&mut self, path: &ColumnPath, change: impl FnOnce(&mut Vec<ColumnSchema>)) {
        let Some((root, rest)) = path.names().split_first() else {
            return change(&mut self.schema.columns);
        };
        let root = self.schema.columns.iter_mut().find(|column| same_name(&column.name, root));
        if let Some(DataType::Struct(fields)) = root.and_then(|root| descend(&mut root.data_type, rest)) {
            let mut columns: Vec<ColumnSchema> = fields.drain(..).map(ColumnSchema::from).collect();
            change(&mut columns);
            fields.extend(columns.into_iter().map(StructField::from));
        }
    }

    fn data_type(&mut self, path: &ColumnPath, to: &DataType) {
        let Some((root, rest)) = path.names().split_first() else { return };
        let root = self.schema.columns.iter_mut().find(|column| same_name(&column.name, root));
        if let Some(found) = root.and_then(|root| descend(&mut root.data_type, rest)) {
            found.clone_from(to);
        }
    }
}

/// The part of a type that these names lead to.
fn descend<'a>(data_type: &'a mut DataType, path: &[String]) -> Option<&'a mut DataType> {
    let Some((name, rest)) = path.split_first() else { return Some(data_type) };
    match data_type {
        DataType::Array(element) if name == "element" => descend(element, rest),
        DataType::Map(key, _) if name == "key" => descend(key, rest),
        DataType::Map(_, value) if name == "value" => descend(value, rest),
        DataType::Struct(fields) => {
            let field = fields.iter_mut().find(|field| same_name(&field.name, name))?;
            descend(&mut field.data_type, rest)
        }
        _ => None,
    }
}

fn insert(level: &mut Vec<ColumnSchema>, column: ColumnSchema, position: Option<&Position>) {
    let at = match position {
        None => level.len(),
        Some(Position::First) => 0,
        Some(Position::After(name)) => {
            level.iter().position(|other| same_name(&other.name, name)).map_or(level.len(), |at| at + 1)
        }
    };
    level.insert(at, column);
}
