//! Receiving a file: it streams into a temporary one beside the folder of volumes, which is renamed into place when it is
//! whole.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use databricks_testkit::{ByteStream, VolumeError, VolumePath};
use futures::StreamExt;
use tokio::fs;
use uuid::Uuid;

use super::{FolderVolumes, Result, file_error, internal};

/// Bytes that are written at a time: what comes in smaller pieces is collected.
const WRITE_BYTES: usize = 1024 * 1024;

/// A file being received. Dropped before it is published, it leaves nothing.
pub(super) struct Upload<'a> {
    store: &'a FolderVolumes,
    path: &'a VolumePath,
    temporary: tempfile::TempPath,
    file: Arc<File>,
    size: u64,
    published: bool,
}

impl<'a> Upload<'a> {
    pub(super) async fn begin(store: &'a FolderVolumes, path: &'a VolumePath) -> Result<Self> {
        // The spool folder is on the same file system and is emptied at every start.
        let name = format!("upload-{}", Uuid::new_v4().simple());
        let temporary = tempfile::TempPath::try_from_path(store.metastore.spool_dir().join(name))
            .map_err(|error| file_error(path, &error))?;
        let file = fs::File::create(&temporary).await.map_err(|error| file_error(path, &error))?;
        let file = Arc::new(file.into_std().await);
        Ok(Self { store, path, temporary, file, size: 0, published: false })
    }

    pub(super) async fn receive(&mut self, mut content: ByteStream) -> Result<()> {
        let mut pieces = Vec::new();
        let mut held = 0;
        while let Some(bytes) = content.next().await {
            let bytes = bytes.map_err(|error| VolumeError::UploadInterrupted {
                path: self.path.clone(),
                detail: error.to_string(),
            })?;
            self.reserve(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
            held += bytes.len() + size_of::<Bytes>();
            pieces.push(bytes);
            if held >= WRITE_BYTES {
                self.write(std::mem::take(&mut pieces), false).await?;
                held = 0;
            }
        }
        self.write(pieces, true).await
    }

    /// Writes the pieces where they lie, and at the end sees to it that they are on the disk.
    async fn write(&self, pieces: Vec<Bytes>, is_end: bool) -> Result<()> {
        let file = Arc::clone(&self.file);
        let write = move || -> io::Result<()> {
            let mut file = file.as_ref();
            pieces.iter().try_for_each(|piece| file.write_all(piece))?;
            if is_end { file.sync_all() } else { Ok(()) }
        };
        let written = tokio::task::spawn_blocking(write).await.map_err(|error| internal(self.path, error))?;
        written.map_err(|error| file_error(self.path, &error))
    }

    fn reserve(&mut self, bytes: u64) -> Result<()> {
        if let Some(quota) = &self.store.quota {
            quota.take(bytes).map_err(|left| VolumeError::StorageFull {
                path: self.path.clone(),
                detail: format!("the volumes may hold {} bytes, {left} are left", quota.limit()),
            })?;
        }
        self.size += bytes;
        Ok(())
    }

    pub(super) async fn publish(mut self, place: &Path, overwrite: bool, replaced: u64) -> Result<()> {
        let moved = if overwrite {
            fs::rename(&self.temporary, place).await
        } else {
            // Unlike a rename, a link fails when another upload was faster.
            fs::hard_link(&self.temporary, place).await
        };
        moved.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists | ErrorKind::IsADirectory => {
                VolumeError::AlreadyExists(self.path.clone())
            }
            _ => file_error(self.path, &error),
        })?;
        self.published = true;
        if let Some(quota) = &self.store.quota {
            quota.give(replaced);
        }
        Ok(())
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        if let (false, Some(quota)) = (self.published, &self.store.quota) {
            quota.give(self.size);
        }
    }
}
