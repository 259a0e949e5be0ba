//! An independent reader: opens a table's folder with delta-rs, without any of our crates.

use std::path::Path;

use arrow::{array::RecordBatch, compute::concat_batches};
use deltalake::{DeltaTable, open_table, open_table_with_version};
use futures::TryStreamExt;
use url::Url;

/// A table as another reader sees it.
pub(crate) struct Seen {
    /// The newest version.
    pub(crate) version: u64,
    /// All rows of that version.
    pub(crate) rows: RecordBatch,
    /// The operation of each commit, oldest first.
    pub(crate) operations: Vec<String>,
}

/// Reads the newest version of the table in `folder`.
pub(crate) async fn read(folder: &Path) -> Seen {
    see(open_table(url(folder)).await.unwrap()).await
}

/// Reads one version of the table in `folder`.
pub(crate) async fn read_version(folder: &Path, version: u64) -> Seen {
    see(open_table_with_version(url(folder), version).await.unwrap()).await
}

/// The data files of the newest version of the table in `folder`, in order.
pub(crate) async fn files(folder: &Path) -> Vec<String> {
    let table = open_table(url(folder)).await.unwrap();
    let mut files: Vec<String> = table.get_file_uris().unwrap().collect();
    files.sort();
    files
}

async fn see(table: DeltaTable) -> Seen {
    let history: Vec<_> = table.history(None).try_collect().await.unwrap();
    let mut operations: Vec<String> = history.into_iter().filter_map(|commit| commit.operation).collect();
    operations.reverse();
    let (table, stream) = table.scan_table().await.unwrap();
    let schema = stream.schema();
    let batches: Vec<_> = stream.try_collect().await.unwrap();
    let rows = concat_batches(&schema, &batches).unwrap();
    Seen { version: table.version().unwrap(), rows, operations }
}

/// The address of a table in `folder`.
pub(crate) fn url(folder: &Path) -> Url {
    Url::from_directory_path(folder.canonicalize().unwrap()).unwrap()
}
