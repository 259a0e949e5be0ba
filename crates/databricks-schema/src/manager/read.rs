//! What a table is, as the workspace tells it.

use super::{describe, json};
#[cfg(feature = "catalog")]
use crate::CatalogClient;
use crate::{Result, Rows, SchemaError, StatementError, StatementRunner, TableDescription, TableName};

/// Whether the catalog is one of Unity Catalog's: the workspace's own metastore is not.
#[cfg(feature = "catalog")]
pub(super) fn is_in_unity_catalog(table: &TableName) -> bool {
    !matches!(table.catalog(), "hive_metastore" | "spark_catalog")
}

/// From Unity Catalog.
#[cfg(feature = "catalog")]
pub(super) async fn from_catalog(catalog: &CatalogClient, table: &TableName) -> Result<TableDescription> {
    use databricks_transport::ErrorKind;
    match catalog.get_table(table).await {
        Ok(info) => info.description(),
        Err(SchemaError::Transport(error)) if error.kind() == ErrorKind::NotFound => {
            Err(SchemaError::TableNotFound { table: table.full_name() })
        }
        Err(error) => Err(error),
    }
}

/// By `DESCRIBE TABLE`: as JSON, which tells everything, or as rows where the server is too old for that.
pub(super) async fn by_describe(runner: &dyn StatementRunner, table: &TableName) -> Result<TableDescription> {
    let sql = format!("DESCRIBE TABLE EXTENDED {table} AS JSON");
    match runner.run(&sql, &[]).await {
        Ok(rows) => json::read(table, rows.rows.first().and_then(|row| row.first()?.as_deref())),
        Err(error) if is_unknown_statement(&error) => {
            let extended = format!("DESCRIBE TABLE EXTENDED {table}");
            // Some servers tell the defaults of columns only with EXTENDED, and some do not know that either.
            let columns = match runner.run(&extended, &[]).await {
                Err(error) if is_unknown_statement(&error) => {
                    run(runner, table, format!("DESCRIBE TABLE {table}")).await?
                }
                told => told.map_err(|error| failed(table, extended, error))?,
            };
            let properties = run(runner, table, format!("SHOW TBLPROPERTIES {table}")).await?;
            describe::read(table, &columns, &properties)
        }
        Err(error) => Err(failed(table, sql, error)),
    }
}

async fn run(runner: &dyn StatementRunner, table: &TableName, sql: String) -> Result<Rows> {
    runner.run(&sql, &[]).await.map_err(|error| failed(table, sql, error))
}

fn failed(table: &TableName, sql: String, error: StatementError) -> SchemaError {
    if error.is_class("TABLE_OR_VIEW_NOT_FOUND") {
        return SchemaError::TableNotFound { table: table.full_name() };
    }
    SchemaError::Statement { sql, error: Box::new(error) }
}

/// Whether the server does not know the statement, rather than the table.
fn is_unknown_statement(error: &StatementError) -> bool {
    error.is_class("PARSE_SYNTAX_ERROR") || error.is_class("UNSUPPORTED_FEATURE")
}
