//! What staging needs of a storage: files in a volume, or objects in a cloud.

use std::future::Future;

use bytes::Bytes;
use databricks_schema::TableName;
use databricks_sql::SqlClient;
use databricks_transport::Body;
use futures::StreamExt;
use tokio::sync::OnceCell;

#[cfg(feature = "object-store")]
use super::external::Bucket;
use super::sweep::{self, is_not_found};
use crate::client::Remote;
use crate::error::{DeltaError, Result};
use crate::files::{DirectoryEntry, FilesClient};
use crate::statement::ddl;

/// Where staged files lie. Paths are as statements name them.
#[derive(Debug)]
pub(crate) enum Storage {
    Volume(Volume),
    #[cfg(feature = "object-store")]
    External(Bucket),
}

/// A volume, which is made when the first file meets none.
#[derive(Debug)]
pub(crate) struct Volume {
    name: TableName,
    files: FilesClient,
    sql: SqlClient,
    created: OnceCell<()>,
}

/// The path of a volume, whose three-part name is written as a table's.
pub(crate) fn volume_path(volume: &TableName) -> String {
    format!("/Volumes/{}/{}/{}", volume.catalog(), volume.schema(), volume.table())
}

impl Storage {
    pub(crate) fn volume(remote: &Remote, name: TableName) -> Self {
        let (files, sql) = (remote.files.clone(), remote.sql.clone());
        Self::Volume(Volume { name, files, sql, created: OnceCell::new() })
    }

    /// The path under which writes have their directories.
    pub(crate) fn base(&self) -> String {
        match self {
            Self::Volume(volume) => volume_path(&volume.name),
            #[cfg(feature = "object-store")]
            Self::External(bucket) => bucket.base(),
        }
    }

    /// The statement that must run before a file can be staged; none when there is nothing to do.
    pub(crate) async fn preparation(&self) -> Result<Option<String>> {
        match self {
            Self::Volume(volume) => volume.preparation().await,
            #[cfg(feature = "object-store")]
            Self::External(_) => Ok(None),
        }
    }

    /// Writes a file, in the place of one that is there. `body` makes its content, again where it is sent again.
    pub(crate) async fn put<F>(&self, path: &str, body: impl Fn() -> F + Send + Sync) -> Result<()>
    where
        F: Future<Output = Result<Body>> + Send,
    {
        let put = match self {
            Self::Volume(volume) => volume.put(path, body).await,
            #[cfg(feature = "object-store")]
            Self::External(bucket) => bucket.put(path, body).await,
        };
        put.map_err(|error| match error {
            DeltaError::Transport(source) => DeltaError::upload(path, source),
            other => other,
        })
    }

    /// A file of no more than `limit` bytes.
    pub(crate) async fn read(&self, path: &str, limit: usize) -> Result<Bytes> {
        match self {
            Self::Volume(volume) => Ok(volume.files.download(path).await?.collect(limit).await?),
            #[cfg(feature = "object-store")]
            Self::External(bucket) => bucket.read(path, limit).await,
        }
    }

    /// What a directory holds; nothing when it is not there.
    pub(crate) async fn list(&self, directory: &str) -> Result<Vec<DirectoryEntry>> {
        match self {
            Self::Volume(volume) => sweep::list(&volume.files, directory).await,
            #[cfg(feature = "object-store")]
            Self::External(bucket) => bucket.list(directory).await,
        }
    }

    /// What a directory and those in it hold.
    pub(crate) async fn tree(&self, directory: &str) -> Result<Vec<DirectoryEntry>> {
        match self {
            Self::Volume(volume) => sweep::tree(&volume.files, directory.to_owned()).await,
            #[cfg(feature = "object-store")]
            Self::External(bucket) => bucket.tree(directory).await,
        }
    }

    /// Deletes files. One that is not there is no error.
    pub(crate) async fn delete(&self, paths: Vec<String>, at_once: usize) -> Result<()> {
        match self {
            Self::Volume(volume) => sweep::delete(&volume.files, paths, at_once).await,
            #[cfg(feature = "object-store")]
            Self::External(bucket) => bucket.delete(paths).await,
        }
    }

    /// Removes a directory and all in it. One that is not there is no error.
    pub(crate) async fn remove_tree(&self, directory: &str, at_once: usize) -> Result<()> {
        match self {
            Self::Volume(volume) => sweep::remove_tree(&volume.files, directory, at_once).await,
            // There are no directories, only paths of files.
            #[cfg(feature = "object-store")]
            Self::External(bucket) => {
                let files = bucket.tree(directory).await?;
                bucket.delete(files.into_iter().map(|file| file.path).collect()).await
            }
        }
    }
}

impl Volume {
    async fn put<F>(&self, path: &str, body: impl Fn() -> F) -> Result<()>
    where
        F: Future<Output = Result<Body>>,
    {
        let put = |body| self.files.upload(path, body).overwrite().send();
        match put(body().await?).await {
            Err(error) if is_not_found(&error) => {
                self.created.get_or_try_init(|| self.create()).await?;
                put(body().await?).await
            }
            done => done,
        }
    }

    async fn create(&self) -> Result<()> {
        tracing::info!(volume = %self.name, "creating the staging volume");
        self.sql.statement(ddl::create_volume(&self.name)).idempotent().execute().await?;
        Ok(())
    }

    async fn preparation(&self) -> Result<Option<String>> {
        let mut entries = Box::pin(self.files.list_directory(&volume_path(&self.name)));
        match entries.next().await {
            Some(Err(error)) if is_not_found(&error) => Ok(Some(ddl::create_volume(&self.name))),
            Some(Err(error)) => Err(error),
            _ => Ok(None),
        }
    }
}
