//! Adding columns to a table.

use databricks_schema::{ColumnNameRules, ColumnSchema, SchemaError};

use crate::client::DeltaClient;
use crate::commit;
use crate::create_table::check_columns;
use crate::error::{DeltaError, Result};
use crate::names::Target;
use crate::operation;
use crate::statement::ddl;

/// Columns being added.
#[must_use = "columns are added by `send`"]
#[derive(Debug, Clone)]
pub struct AddColumns {
    client: DeltaClient,
    table: Target,
    columns: Vec<ColumnSchema>,
}

impl AddColumns {
    pub(crate) fn new(client: DeltaClient, table: Target, columns: Vec<ColumnSchema>) -> Self {
        Self { client, table, columns }
    }

    /// The statement that [`send`](Self::send) runs: one for all columns, so that either all are added or none.
    ///
    /// # Errors
    /// [`DeltaError::NotNullColumn`] for a column declared NOT NULL; [`DeltaError::Schema`] for names that cannot be.
    pub fn build_sql(&self) -> Result<String> {
        let table = self.table.get()?;
        // Which characters and reserved names the table allows depends on its properties: that is for the server to say.
        check_columns(&self.columns, ColumnNameRules::default().with_column_mapping(true))?;
        if let Some(column) = self.columns.iter().find(|column| !column.nullable) {
            return Err(DeltaError::NotNullColumn { column: column.name.clone() });
        }
        if let Some(column) = self.columns.iter().find(|column| column.default.is_some()) {
            let reason =
                "Delta adds no column with a DEFAULT: add it without, then ALTER COLUMN .. SET DEFAULT";
            let (name, reason) = (column.name.clone(), reason.to_owned());
            return Err(SchemaError::InvalidColumnName { name, reason }.into());
        }
        Ok(ddl::add_columns(table, &self.columns))
    }

    /// Adds the columns. Rows that are there hold NULL in them.
    ///
    /// # Errors
    /// As [`build_sql`](Self::build_sql), and [`DeltaError::Sql`] when the statement fails: the table is missing, or
    /// has such a column already.
    pub async fn send(self) -> Result<()> {
        let sql = self.build_sql()?;
        let columns = self.columns.len();
        commit::retrying_conflicts(&self.client.remote()?.sql.statement(sql)).await?;
        operation::count(self.table.get()?, "add_columns", 0);
        tracing::warn!(table = %self.table.get()?, columns, "columns added to the table");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use databricks_schema::DataType;

    use super::*;

    #[test]
    fn a_not_null_column_is_refused_with_the_remedy() {
        let column = ColumnSchema::new("rain", DataType::Double).with_nullable(false);
        let error = DeltaClient::mock().add_columns("t", [column]).build_sql().unwrap_err();
        assert!(matches!(&error, DeltaError::NotNullColumn { column } if column == "rain"));
        assert!(error.to_string().contains("SET NOT NULL"), "{error}");
    }

    #[test]
    fn a_column_with_a_default_is_refused_with_the_remedy() {
        let column = ColumnSchema::new("rain", DataType::Double).with_default("0");
        let error = DeltaClient::mock().add_columns("t", [column]).build_sql().unwrap_err();
        assert!(error.to_string().contains("SET DEFAULT"), "{error}");
    }

    #[test]
    fn two_columns_of_one_name_are_refused() {
        let column = |name| ColumnSchema::new(name, DataType::Double);
        let error =
            DeltaClient::mock().add_columns("t", [column("rain"), column("RAIN")]).build_sql().unwrap_err();
        assert!(matches!(error, DeltaError::Schema(_)), "{error}");
    }
}
