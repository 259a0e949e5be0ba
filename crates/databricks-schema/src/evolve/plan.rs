//! A plan: what would be done to a table, as a value that can be read, reviewed and run.

use std::fmt;

use super::change::SchemaChange;
use super::statement::{PlanStatement, statements};
use super::{EvolutionOptions, diff};
use crate::{Result, SchemaError, TableDescription, TableName, TableSchema};

/// What would be done to a table so that it has a wanted schema.
///
/// `Display` is what one would put into a pull request; [`sql`](Self::sql) is the script.
///
/// ```
/// use databricks_schema::{EvolutionOptions, EvolutionPlan, TableDescription, TableName, TableSchema};
///
/// let orders = TableName::parse("main.sales.orders")?;
/// let table = TableDescription::new(orders, TableSchema::parse("id INT, price FLOAT")?);
/// let wanted = TableSchema::parse("id BIGINT, price FLOAT, note STRING")?;
///
/// let plan = EvolutionPlan::between(&table, &wanted, &EvolutionOptions::default())?;
/// assert_eq!(
///     plan.sql(),
///     "ALTER TABLE `main`.`sales`.`orders` SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true');\n\
///      ALTER TABLE `main`.`sales`.`orders` ADD COLUMNS (`note` STRING);\n\
///      ALTER TABLE `main`.`sales`.`orders` ALTER COLUMN `id` TYPE BIGINT;\n"
/// );
/// # Ok::<(), databricks_schema::SchemaError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EvolutionPlan {
    /// The table.
    pub table: TableName,
    /// The schema that is wanted.
    pub wanted: TableSchema,
    /// What the evolution may do.
    pub options: EvolutionOptions,
    /// The statements, in the order in which they are run.
    pub statements: Vec<PlanStatement>,
}

impl EvolutionPlan {
    /// The plan that leads from a table to a wanted schema.
    ///
    /// # Errors
    /// [`SchemaError::UnsafeTypeChange`], [`SchemaError::ReservedColumnName`], [`SchemaError::InvalidDataType`] or
    /// another error of one column where that is all that is wrong, else [`SchemaError::IncompatibleEvolution`] with
    /// every reason.
    pub fn between(
        table: &TableDescription,
        wanted: &TableSchema,
        options: &EvolutionOptions,
    ) -> Result<Self> {
        let changes = diff::changes(table, wanted, options)
            .map_err(|reasons| SchemaError::incompatible(&table.name, reasons))?;
        Ok(Self {
            table: table.name.clone(),
            wanted: wanted.clone(),
            options: options.clone(),
            statements: statements(&table.name, changes),
        })
    }

    /// Whether the table is as it is wanted already.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// The commits it makes: one a statement.
    pub fn commits(&self) -> usize {
        self.statements.len()
    }

    /// All changes, in order.
    pub fn changes(&self) -> impl Iterator<Item = &SchemaChange> {
        self.statements.iter().flat_map(|statement| &statement.changes)
    }

    /// The script: each statement with its semicolon, on a line of its own.
    pub fn sql(&self) -> String {
        self.statements.iter().map(|statement| format!("{};\n", statement.sql)).collect()
    }
}

impl fmt::Display for EvolutionPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table.full_name();
        if self.is_empty() {
            return write!(f, "Schema of {table}: nothing to do");
        }
        let (count, plural) = (self.commits(), if self.commits() == 1 { "" } else { "s" });
        write!(f, "Schema of {table}: {count} statement{plural}, {count} commit{plural}")?;
        for (index, statement) in self.statements.iter().enumerate() {
            write!(f, "\n\n{:>2}. {statement}\n     SQL: {}", index + 1, statement.sql)?;
            let permanent = statement.permanent();
            permanent.iter().try_for_each(|reason| write!(f, "\n     Cannot be undone: {reason}"))?;
        }
        Ok(())
    }
}
