//! Settling a write whose outcome was unknown.

use std::future::ready;

use databricks_schema::TableName;

use crate::client::Remote;
use crate::commit::{self, Outcome};
use crate::error::{DeltaError, Result};
use crate::stage::Storage;
use crate::stage::sweep::is_not_found;
use crate::statement::copy;
use crate::write_id::WriteId;
use crate::{lookup, mark, stage, write};

/// How a write of unknown outcome was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resumed {
    /// Its rows are in the table.
    Applied,
    /// The table does not show it. What it had staged is removed: run it again under its key.
    NotShown,
}

/// The largest statement that is kept with the files it loads, in bytes.
const LARGEST_STATEMENT: usize = 16 << 20;

pub(crate) async fn resume(
    remote: &Remote,
    table: &TableName,
    storage: &Storage,
    write_id: WriteId,
) -> Result<Resumed> {
    let directory = stage::directory(&storage.base(), write_id);
    let applied = is_applied(remote, table, write_id).await?
        || load_again(remote, table, storage, &directory, write_id).await?;
    if !applied && !write_id.is_derived() {
        return Err(DeltaError::InvalidOption {
            option: "write_id",
            value: write_id.to_string(),
            reason: format!(
                "this write had no idempotency key, by which table {table} could show whether it happened: compare \
                 DESCRIBE HISTORY with the time of the write"
            ),
        });
    }
    // Without its files a statement that is still on its way fails.
    storage.remove_tree(&directory, 4).await?;
    match applied || is_applied(remote, table, write_id).await? {
        true => Ok(Resumed::Applied),
        false => Ok(Resumed::NotShown),
    }
}

/// Whether the table shows the write.
async fn is_applied(remote: &Remote, table: &TableName, write_id: WriteId) -> Result<bool> {
    match lookup::find(remote, table).await? {
        None => Ok(false),
        Some(found) if write::made_by(&found, write_id) => Ok(true),
        Some(_) => Ok(mark::find(remote, table, write_id).await?.is_some()),
    }
}

/// Sends the COPY INTO of an append again, if it was kept: it skips the files that it has loaded.
async fn load_again(
    remote: &Remote,
    table: &TableName,
    storage: &Storage,
    directory: &str,
    write_id: WriteId,
) -> Result<bool> {
    let path = stage::statement_path(directory);
    let statement = match storage.read(&path, LARGEST_STATEMENT).await {
        Err(error) if is_not_found(&error) => return Ok(false),
        read => read?,
    };
    let statement = String::from_utf8_lossy(&statement).into_owned();
    if !copy::is_copy_into(&statement, table) {
        // Others may write in the storage too: nothing but a load of this table is sent in the caller's name.
        let message = format!("`{path}` holds no COPY INTO {table}");
        return Err(DeltaError::UnexpectedResult { statement: "reading the statement of a write", message });
    }
    match commit::repeatedly(&remote.sql.statement(statement), ready(())).await {
        Outcome::Applied { .. } => Ok(true),
        Outcome::Failed(error) => Err(error.into()),
        Outcome::Unknown(error) => Err(DeltaError::OutcomeUnknown {
            write_id,
            table: table.full_name(),
            operation: "write",
            key: None,
            source: Box::new(error),
        }),
    }
}
