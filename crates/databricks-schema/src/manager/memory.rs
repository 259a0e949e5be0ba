//! Tables in memory: the workspace of a mock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{PlanStatement, Result, SchemaError, TableDescription, TableName};

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

    pub(super) fn run(&self, name: &TableName, statement: &PlanStatement) -> Result<()> {
        let mut tables = self.tables();
        let table = tables.get_mut(name).ok_or_else(|| missing(name))?;
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
