//! The columns of a table, before data is staged for it.

use databricks_schema::{SchemaError, TableName, TableSchema};
use databricks_transport::ErrorKind;

use crate::client::Remote;
use crate::error::{DeltaError, Result};

/// Asks Unity Catalog, and not the warehouse by DESCRIBE TABLE: that abbreviates structs of many fields and mixes
/// partitions into its rows, while the catalog's `type_text` is the whole type; and it needs no running warehouse.
pub(crate) async fn table_schema(remote: &Remote, table: &TableName) -> Result<TableSchema> {
    match remote.catalog.get_table(table).await {
        Ok(found) => Ok(found.schema()?),
        Err(SchemaError::Transport(error)) if error.kind() == ErrorKind::NotFound => {
            Err(DeltaError::TableNotFound { table: table.full_name() })
        }
        Err(SchemaError::Transport(error)) => Err(error.into()),
        Err(error) => Err(error.into()),
    }
}
