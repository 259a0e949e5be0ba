//! A table's rows written again in other types, in the commit that changes them.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, UNNAMED_TABLE, ident};
use deltalake::DeltaTable;
use deltalake::kernel::{Action, Remove};

use crate::error::{LocalError, Result};
use crate::exec::definition::Definition;
use crate::exec::write::Written;

/// All rows, in the order of the new definition's columns.
pub(in crate::exec) fn plan(
    provider: Arc<dyn TableProvider>,
    definition: &Definition,
) -> Result<LogicalPlan> {
    let known = provider.schema();
    let columns = definition.fields.iter().map(|field| {
        let index = known.index_of(&field.name).map_err(LocalError::from)?;
        Ok(ident(known.field(index).name()))
    });
    let columns: Vec<Expr> = columns.collect::<Result<_>>()?;
    let scan = LogicalPlanBuilder::scan(UNNAMED_TABLE, provider_as_source(provider), None)?;
    Ok(scan.project(columns)?.build()?)
}

/// The new files in the place of the old. No row changes, so readers of changes see none.
pub(in crate::exec) fn actions(table: &DeltaTable, written: &Written) -> Result<Vec<Action>> {
    let old = table.snapshot()?.log_data();
    Ok(replaced(old.iter().map(|file| file.remove_action(false)), written))
}

/// The new files in the place of some.
pub(in crate::exec) fn replaced(old: impl IntoIterator<Item = Remove>, written: &Written) -> Vec<Action> {
    let mut actions: Vec<Action> = old.into_iter().map(Action::Remove).collect();
    for file in &written.files {
        let mut file = file.clone();
        file.data_change = false;
        actions.push(Action::Add(file));
    }
    actions
}
