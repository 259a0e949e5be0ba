//! The columns of a table, before data is staged for it.

use std::collections::BTreeMap;

use databricks_schema::catalog::TableInfo;
use databricks_schema::{SchemaError, TableName, TableSchema};
use databricks_transport::ErrorKind;

use crate::client::Remote;
use crate::error::{DeltaError, Result};

/// A table as it stands.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) schema: TableSchema,
    /// The columns it is partitioned by.
    pub(crate) partitions: Vec<String>,
    /// Its table properties.
    pub(crate) properties: BTreeMap<String, String>,
}

/// Asks Unity Catalog, and not the warehouse by DESCRIBE TABLE: that abbreviates structs of many fields and mixes
/// partitions into its rows, while the catalog's `type_text` is the whole type; and it needs no running warehouse.
pub(crate) async fn find(remote: &Remote, table: &TableName) -> Result<Option<Found>> {
    info(remote, table).await?.map(|info| Found::of(&info)).transpose()
}

/// All that Unity Catalog says of a table.
pub(crate) async fn info(remote: &Remote, table: &TableName) -> Result<Option<TableInfo>> {
    match remote.catalog.get_table(table).await {
        Ok(info) => Ok(Some(info)),
        Err(SchemaError::Transport(error)) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(SchemaError::Transport(error)) => Err(error.into()),
        Err(error) => Err(error.into()),
    }
}

/// As [`find`], for what needs a table.
pub(crate) async fn table(remote: &Remote, table: &TableName) -> Result<Found> {
    find(remote, table).await?.ok_or_else(|| DeltaError::TableNotFound { table: table.full_name() })
}

impl Found {
    /// Whether types of its columns may be widened: that needs readers who know of it, so the table says it and not a
    /// write.
    pub(crate) fn allows_widening(&self) -> bool {
        self.properties.get("delta.enableTypeWidening").is_some_and(|on| on.eq_ignore_ascii_case("true"))
    }

    fn of(info: &TableInfo) -> Result<Self> {
        Ok(Self {
            schema: info.schema()?,
            partitions: info.partition_columns().into_iter().map(str::to_owned).collect(),
            properties: info.properties.clone(),
        })
    }
}
