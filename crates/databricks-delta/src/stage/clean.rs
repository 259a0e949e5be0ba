//! What lies in a write's directory: what is not the write's own is removed before it is loaded, and all of it after.

use std::collections::HashMap;

use bytes::Bytes;

use super::sweep::name_of;
use super::{PRESENCE, Stage, Staged, statement_path};
use crate::error::{DeltaError, Result};

impl Stage<'_> {
    /// Makes sure that the directory holds the parts of this write and no others: deletes those that an earlier, longer
    /// attempt left.
    ///
    /// # Errors
    /// [`DeltaError::StagingChanged`] when a part is gone or has another length: another run of the same write, which
    /// shares the directory, has removed or replaced it.
    pub(crate) async fn settle(&self, staged: &Staged) -> Result<()> {
        let mut missing: HashMap<&str, u64> =
            staged.files.iter().map(|file| (file.name.as_str(), file.bytes)).collect();
        let mut stale = Vec::new();
        for entry in self.storage.list(&self.directory).await?.into_iter().filter(|entry| !entry.is_directory)
        {
            let name = name_of(&entry.path);
            match missing.get(name) {
                Some(bytes) if entry.file_size.is_none_or(|size| size == *bytes) => {
                    missing.remove(name);
                }
                Some(_) => {}
                None if name.starts_with(PRESENCE) => {}
                None => stale.push(entry.path),
            }
        }
        if let Some(name) = missing.into_keys().min() {
            return Err(DeltaError::StagingChanged { path: format!("{}/{name}", self.directory) });
        }
        self.storage.delete(stale, self.pace.concurrency).await
    }

    /// Keeps the statement that loads the parts, for a later look at what became of it. Nothing depends on it.
    pub(crate) async fn keep_statement(&self, sql: String) {
        if let Err(error) = self.put(&statement_path(&self.directory), Bytes::from(sql)).await {
            tracing::warn!(directory = self.directory, %error, "the statement of unknown outcome could not be kept");
        }
    }

    /// Removes what this run staged, after a failure. Parts that another run at work shares stay for it.
    pub(crate) async fn abandon(&self) {
        self.report(self.try_abandon().await);
    }

    /// Removes all that any run of this write staged, once the write is in the table. Answers the directory when
    /// something is left in it.
    pub(crate) async fn clean(&self) -> Option<String> {
        self.report(self.remove_tree(&self.root).await)
    }

    fn report(&self, removed: Result<()>) -> Option<String> {
        let error = removed.err()?;
        tracing::warn!(directory = self.root, %error, "staged files could not be removed");
        Some(self.root.clone())
    }

    async fn try_abandon(&self) -> Result<()> {
        if let Some(presence) = &self.presence {
            self.storage.delete(vec![presence.clone()], 1).await?;
            let entries = self.storage.list(&self.directory).await?;
            if entries.iter().any(|entry| name_of(&entry.path).starts_with(PRESENCE)) {
                return Ok(());
            }
        }
        self.remove_tree(&self.directory).await?;
        if self.directory != self.root && self.storage.list(&self.root).await?.is_empty() {
            self.remove_tree(&self.root).await?;
        }
        Ok(())
    }

    async fn remove_tree(&self, directory: &str) -> Result<()> {
        self.storage.remove_tree(directory, self.pace.concurrency).await
    }
}
