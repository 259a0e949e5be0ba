//! Tables in memory: the workspace of a mock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{PlanStatement, Result, SchemaError, StatementError, TableDescription, TableName};

/// Tables by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory(Arc<Mutex<HashMap<TableName, TableDescription>>>);

impl Memory {
    pub(super) fn new(tables: impl IntoIterator<Item = TableDescription>) -> Self {
        let tables = tables.into_iter().map(|table| (table.name.clone(), table)).collect();
        Self(Arc::new(Mutex::new(tables)))
    }

    pub(super) fn table(&self, name: &TableName) -> Result<TableDescription> {
        self.tables().get(name).cloned().ok_or_else(|| missing(name))
    }

    /// Makes all changes of a statement or, where one does not fit the table any more, none.
    pub(super) fn run(&self, name: &TableName, statement: &PlanStatement) -> Result<(), StatementError> {
        const NOT_FOUND: &str = "TABLE_OR_VIEW_NOT_FOUND";
        let mut tables = self.tables();
        let Some(table) = tables.get_mut(name) else {
            return Err(StatementError::new(format!("[{NOT_FOUND}] {name}")).with_error_class(NOT_FOUND));
        };
        if let Some(refusal) = statement.changes.iter().find_map(|change| table.refusal(change)) {
            return Err(refusal);
        }
        statement.changes.iter().for_each(|change| table.make(change));
        Ok(())
    }

    fn tables(&self) -> MutexGuard<'_, HashMap<TableName, TableDescription>> {
        // A table is changed by whole changes only: what a thread that panicked left is as good as any.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn missing(name: &TableName) -> SchemaError {
    SchemaError::TableNotFound { table: name.full_name() }
}
