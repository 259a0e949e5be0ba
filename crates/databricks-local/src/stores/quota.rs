//! An optional bound on the bytes that volumes may hold.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::metastore::{Metastore, ObjectPath, SchemaPath};

/// Bytes used by all volumes against a limit. Clones share the count.
#[derive(Clone, Debug)]
pub(super) struct Quota {
    used: Arc<Mutex<u64>>,
    limit: u64,
    metastore: Arc<Metastore>,
}

impl Quota {
    /// A limit over what the volumes hold now.
    pub(super) fn new(limit: u64, metastore: Arc<Metastore>) -> Self {
        let used = Arc::new(Mutex::new(volume_bytes(&metastore)));
        Self { used, limit, metastore }
    }

    /// Takes room, or says how many bytes are left.
    ///
    /// A volume is also dropped by SQL, which knows no quota: before anything is refused, the folders are counted anew.
    pub(super) fn take(&self, bytes: u64) -> Result<(), u64> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |used: u64| used.checked_add(bytes).is_some_and(|total| total <= self.limit);
        if !fits(*used) {
            *used = (*used).min(volume_bytes(&self.metastore) + size_of(&self.metastore.spool_dir()));
        }
        if !fits(*used) {
            return Err(self.limit.saturating_sub(*used));
        }
        *used += bytes;
        Ok(())
    }

    /// Gives room back.
    pub(super) fn give(&self, bytes: u64) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used = used.saturating_sub(bytes);
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }
}

/// The bytes of all volumes.
fn volume_bytes(metastore: &Metastore) -> u64 {
    let state = metastore.state();
    let mut bytes = 0;
    for (catalog, in_catalog) in &state.catalogs {
        for (schema, in_schema) in &in_catalog.schemas {
            let parent = SchemaPath { catalog: catalog.clone(), schema: schema.clone() };
            let paths = in_schema
                .volumes
                .keys()
                .map(|name| ObjectPath { parent: parent.clone(), name: name.clone() });
            bytes += paths.map(|path| size_of(&metastore.volume_dir(&path))).sum::<u64>();
        }
    }
    bytes
}

/// The bytes of the files below a folder. What cannot be read counts nothing.
fn size_of(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => size_of(&entry.path()),
        Ok(kind) if kind.is_file() => entry.metadata().map_or(0, |meta| meta.len()),
        _ => 0,
    });
    sizes.sum()
}
