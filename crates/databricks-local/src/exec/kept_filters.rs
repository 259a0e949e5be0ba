//! A table whose filters stay above its scan.
//!
//! delta-rs says of a condition on partition columns, and of one on no column, that its scan applies it exactly. It does
//! not where the condition is NULL: a file is kept then, with all its rows. So `p IN ('a', NULL)` would select every row.
//! The scan may skip what it can by a condition; which rows fulfil it is for the filter above.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use futures::future::BoxFuture;

/// Another table, whose filters stay.
#[derive(Debug)]
pub(super) struct KeptFilters(pub(super) Arc<dyn TableProvider>);

impl TableProvider for KeptFilters {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        self.0.table_type()
    }

    fn scan<'life0, 'life1, 'life2, 'life3, 'async_trait>(
        &'life0 self,
        state: &'life1 dyn Session,
        projection: Option<&'life2 Vec<usize>>,
        filters: &'life3 [Expr],
        limit: Option<usize>,
    ) -> BoxFuture<'async_trait, Result<Arc<dyn ExecutionPlan>>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        'life3: 'async_trait,
        Self: 'async_trait,
    {
        self.0.scan(state, projection, filters, limit)
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let applied = self.0.supports_filters_pushdown(filters)?;
        let kept = |applied| match applied {
            TableProviderFilterPushDown::Exact => TableProviderFilterPushDown::Inexact,
            other => other,
        };
        Ok(applied.into_iter().map(kept).collect())
    }
}
