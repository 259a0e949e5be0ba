//! Looking at tables and evolving them, over anything that runs SQL.
//!
//! `read` finds out what a table is, `run` makes plans true, `memory` is the workspace of a mock.

mod describe;
mod json;
mod memory;
mod read;
mod run;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use memory::Memory;

#[cfg(feature = "catalog")]
use crate::CatalogClient;
use crate::{
    EvolutionOptions, EvolutionPlan, Result, SchemaCompatibility, SchemaEvolutionResult, StatementRunner,
    TableDescription, TableName, TableSchema,
};

/// Evolves the schemas of tables.
///
/// [`evolve_safely`](Self::evolve_safely) makes a table have a wanted schema: it looks at the table, plans the fewest
/// statements (all new columns in one), runs them and looks again. Running it twice does nothing the second time; of
/// two programs that run it at once each change is made by one, and the other finds nothing left to do. A run that
/// fails in the middle is completed by the next.
///
/// What it may do is told by [`EvolutionOptions`]; nothing is dropped, narrowed or checked anew by default.
///
/// ```
/// use databricks_schema::{SchemaEvolutionResult, SchemaManager, TableDescription, TableName, TableSchema};
///
/// # futures::executor::block_on(async {
/// let orders = TableName::parse("main.sales.orders")?;
/// let table = TableDescription::new(orders.clone(), TableSchema::parse("id BIGINT")?);
/// let manager = SchemaManager::mock_with([table]);
///
/// let wanted = TableSchema::parse("id BIGINT, note STRING COMMENT 'free text'")?;
/// let result = manager.evolve_safely(&orders, &wanted).await?;
/// assert!(matches!(result, SchemaEvolutionResult::Evolved { added_columns } if added_columns.len() == 1));
/// assert_eq!(manager.evolve_safely(&orders, &wanted).await?, SchemaEvolutionResult::NoChange);
/// # Ok::<(), databricks_schema::SchemaError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct SchemaManager {
    place: Place,
    options: EvolutionOptions,
}

/// Where the tables are.
#[derive(Clone)]
enum Place {
    Workspace {
        runner: Arc<dyn StatementRunner>,
        #[cfg(feature = "catalog")]
        catalog: Option<CatalogClient>,
    },
    Memory(Memory),
}

impl SchemaManager {
    /// A manager of the tables that this runner reaches. It reads them by `DESCRIBE TABLE`.
    pub fn new(runner: impl StatementRunner + 'static) -> Self {
        let place = Place::Workspace {
            runner: Arc::new(runner),
            #[cfg(feature = "catalog")]
            catalog: None,
        };
        Self { place, options: EvolutionOptions::default() }
    }

    /// Reads tables from Unity Catalog: whole, without a warehouse. Tables that are not in it (`hive_metastore`) are
    /// still described by SQL.
    #[cfg(feature = "catalog")]
    pub fn with_catalog(mut self, client: CatalogClient) -> Self {
        if let Place::Workspace { catalog, .. } = &mut self.place {
            *catalog = Some(client);
        }
        self
    }

    /// A manager without a workspace or any table, for what needs neither: compatibility and plans of values.
    pub fn mock() -> Self {
        Self::mock_with([])
    }

    /// A manager of tables in memory, which evolve as real ones would, but hold no rows.
    pub fn mock_with(tables: impl IntoIterator<Item = TableDescription>) -> Self {
        Self { place: Place::Memory(Memory::new(tables)), options: EvolutionOptions::default() }
    }

    /// What evolutions may do.
    pub fn with_options(mut self, options: EvolutionOptions) -> Self {
        self.options = options;
        self
    }

    /// What evolutions may do.
    pub fn options(&self) -> &EvolutionOptions {
        &self.options
    }

    /// The table's columns.
    ///
    /// # Errors
    /// As [`describe`](Self::describe).
    pub async fn get_schema(&self, table: &TableName) -> Result<TableSchema> {
        Ok(self.describe(table).await?.schema)
    }

    /// The table as it is: from Unity Catalog where a client was given and the table is in it, else by
    /// `DESCRIBE TABLE`.
    ///
    /// # Errors
    /// [`SchemaError::TableNotFound`](crate::SchemaError::TableNotFound);
    /// [`SchemaError::Statement`](crate::SchemaError::Statement) or a transport error when it cannot be asked;
    /// [`SchemaError::Description`](crate::SchemaError::Description) when the answer cannot be read.
    pub async fn describe(&self, table: &TableName) -> Result<TableDescription> {
        match &self.place {
            Place::Memory(memory) => memory.table(table),
            #[cfg(feature = "catalog")]
            Place::Workspace { catalog: Some(catalog), .. } if read::is_in_unity_catalog(table) => {
                read::from_catalog(catalog, table).await
            }
            Place::Workspace { runner, .. } => read::by_describe(runner.as_ref(), table).await,
        }
    }

    /// How two schemas stand to each other, under this manager's options. The current one is taken to be of a table
    /// without any properties; [`SchemaCompatibility::of_table`] judges a table as it is.
    pub fn check_compatibility(&self, current: &TableSchema, wanted: &TableSchema) -> SchemaCompatibility {
        let table = TableDescription::new(TableName::unnamed(), current.clone());
        SchemaCompatibility::of_table(&table, wanted, &self.options)
    }

    /// What [`evolve_safely`](Self::evolve_safely) would do now.
    ///
    /// # Errors
    /// As [`describe`](Self::describe) and [`EvolutionPlan::between`].
    pub async fn plan(&self, table: &TableName, wanted: &TableSchema) -> Result<EvolutionPlan> {
        EvolutionPlan::between(&self.describe(table).await?, wanted, &self.options)
    }

    /// Runs a plan, as it was reviewed: statements that are done already are left out, and nothing else is done.
    ///
    /// # Errors
    /// [`SchemaError::PlanOutdated`](crate::SchemaError::PlanOutdated) when the table would need more than the plan
    /// says; else as [`evolve_safely`](Self::evolve_safely).
    pub async fn apply(&self, plan: &EvolutionPlan) -> Result<SchemaEvolutionResult> {
        self.evolve(&plan.table, &plan.wanted, &plan.options, Some(plan)).await
    }

    /// Makes the table have the wanted schema, and verifies that it does.
    ///
    /// # Errors
    /// [`SchemaError::UnsafeTypeChange`](crate::SchemaError::UnsafeTypeChange),
    /// [`SchemaError::IncompatibleEvolution`](crate::SchemaError::IncompatibleEvolution) and the errors of single columns
    /// before anything is done; [`SchemaError::Statement`](crate::SchemaError::Statement) when one fails, after which
    /// another call goes on where this one ended; [`SchemaError::Contended`](crate::SchemaError::Contended) when others
    /// kept changing the table; [`SchemaError::NotVerified`](crate::SchemaError::NotVerified).
    pub async fn evolve_safely(
        &self,
        table: &TableName,
        wanted: &TableSchema,
    ) -> Result<SchemaEvolutionResult> {
        self.evolve(table, wanted, &self.options, None).await
    }
}

impl fmt::Debug for SchemaManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, options } = self;
        let place = match place {
            Place::Workspace { .. } => "Workspace",
            Place::Memory(_) => "Memory",
        };
        f.debug_struct("SchemaManager").field("place", &place).field("options", options).finish()
    }
}
