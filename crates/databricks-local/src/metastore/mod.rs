//! The metastore: which catalogs, schemas, tables and volumes there are, and where they lie on disk.
//!
//! Everything is in one small file (`metastore/state.json`) that is replaced whole, so an object is there or it is
//! not. Folders follow the file: a table is registered after its log exists, and a dropped object leaves the file
//! before its folder goes. Nothing here knows SQL or Delta. Calls touch the disk: make them where blocking is fine.

mod disk;
mod location;
mod names;
mod state;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use self::disk::{Disk, create_dir, write_whole};
pub(crate) use self::location::Location;
pub(crate) use self::names::{ObjectName, ObjectPath, SchemaPath};
pub(crate) use self::state::{CatalogEntry, Entry, SchemaEntry, State};
use crate::error::{LocalError, Result};

/// The owner of what the workspace makes by itself.
pub(crate) const SYSTEM_OWNER: &str = "local";

/// The objects of a workspace folder.
#[derive(Debug)]
pub(crate) struct Metastore {
    disk: Disk,
    /// What readers see; replaced after the disk has it.
    state: RwLock<Arc<State>>,
    /// One change at a time.
    changing: Mutex<()>,
    locations: Vec<Location>,
}

impl Metastore {
    /// Opens the folder, making a new workspace where there is none.
    ///
    /// # Errors
    /// `[WORKSPACE_LOCKED]` when another process has it, `[IO_ERROR]` or `[METASTORE_CORRUPT]` naming the file.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let disk = Disk::open(root)?;
        let path = disk.internal("state.json");
        let state = match std::fs::read(&path) {
            Ok(bytes) => read_state(&path, &bytes)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let state = State::initial(SYSTEM_OWNER)?;
                save(&disk, &state)?;
                state
            }
            Err(error) => return Err(LocalError::io("Cannot read", &path, &error)),
        };
        Ok(Self {
            disk,
            state: RwLock::new(Arc::new(state)),
            changing: Mutex::new(()),
            locations: Vec::new(),
        })
    }

    /// With external locations, which are no part of the folder.
    pub(crate) fn with_locations(self, locations: Vec<Location>) -> Self {
        Self { locations, ..self }
    }

    /// Where the file of a URL lies; none when no external location covers it.
    pub(crate) fn external_place(&self, url: &str) -> Option<PathBuf> {
        self.locations.iter().find_map(|location| location.place(url))
    }

    /// The objects as they are now.
    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The workspace folder.
    pub(crate) fn root(&self) -> &Path {
        self.disk.root()
    }

    /// Where results too large for memory go.
    pub(crate) fn spool_dir(&self) -> PathBuf {
        self.disk.internal("spool")
    }

    /// Where a table lies, whether it exists or not.
    pub(crate) fn table_dir(&self, path: &ObjectPath) -> PathBuf {
        self.disk.table_dir(path)
    }

    /// Where a volume lies, whether it exists or not.
    pub(crate) fn volume_dir(&self, path: &ObjectPath) -> PathBuf {
        self.disk.volume_dir(path)
    }

    /// A place to prepare a table in, made and empty.
    pub(crate) fn new_staging(&self) -> Result<PathBuf> {
        let path = self.disk.new_staging();
        create_dir(&path)?;
        Ok(path)
    }

    /// Throws a folder away.
    pub(crate) fn discard(&self, path: &Path) -> Result<()> {
        self.disk.discard(path)
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies a change to a copy, saves it, then shows it. Call with the lock held.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let mut next = State::clone(&self.state());
        let out = change(&mut next)?;
        save(&self.disk, &next)?;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(out)
    }
}

/// Catalogs and schemas.
impl Metastore {
    /// Changes what is said of an object.
    pub(crate) fn change_entry(
        &self,
        find: impl FnOnce(&mut State) -> Result<&mut Entry>,
        change: impl FnOnce(&mut Entry),
    ) -> Result<()> {
        let _one_at_a_time = self.lock();
        self.change(|state| find(state).map(change))
    }

    /// Makes a catalog with its `default` schema. `false`: it was there already (and that was allowed).
    pub(crate) fn create_catalog(
        &self,
        name: &ObjectName,
        entry: Entry,
        if_not_exists: bool,
    ) -> Result<bool> {
        let _one_at_a_time = self.lock();
        if self.state().catalogs.contains_key(name) {
            return exists(
                if_not_exists,
                "CATALOG_ALREADY_EXISTS",
                "42710",
                "catalog",
                format_args!("`{name}`"),
            );
        }
        let catalog = CatalogEntry::new(entry, ObjectName::parse("default")?);
        self.change(|state| Ok(state.catalogs.insert(name.clone(), catalog)))?;
        Ok(true)
    }

    /// Drops a catalog. Without `cascade` only an empty `default` schema may be left in it.
    pub(crate) fn drop_catalog(&self, name: &ObjectName, if_exists: bool, cascade: bool) -> Result<()> {
        let _one_at_a_time = self.lock();
        let state = self.state();
        let Some(catalog) = state.catalogs.get(name) else {
            return if if_exists { Ok(()) } else { Err(LocalError::catalog_not_found(name)) };
        };
        let only_default =
            |(name, schema): (&ObjectName, &SchemaEntry)| name.as_str() == "default" && schema.is_empty();
        if !cascade && !catalog.schemas.iter().all(only_default) {
            return Err(not_empty("CATALOG_NOT_EMPTY", "catalog", format_args!("`{name}`")));
        }
        self.change(|state| Ok(state.catalogs.remove(name)))?;
        self.disk.discard(&self.disk.catalog_dir(name.as_str()))
    }

    /// Makes a schema. `false`: it was there already (and that was allowed).
    pub(crate) fn create_schema(&self, path: &SchemaPath, entry: Entry, if_not_exists: bool) -> Result<bool> {
        let _one_at_a_time = self.lock();
        if self.state().catalog(&path.catalog)?.schemas.contains_key(&path.schema) {
            return exists(if_not_exists, "SCHEMA_ALREADY_EXISTS", "42P06", "schema", path);
        }
        self.change(|state| {
            let catalog = state.catalog_mut(&path.catalog)?;
            Ok(catalog.schemas.insert(path.schema.clone(), SchemaEntry::new(entry)))
        })?;
        Ok(true)
    }

    /// Drops a schema. Without `cascade` it must be empty.
    pub(crate) fn drop_schema(&self, path: &SchemaPath, if_exists: bool, cascade: bool) -> Result<()> {
        let _one_at_a_time = self.lock();
        let state = self.state();
        let schema = match state.schema(path) {
            Ok(schema) => schema,
            Err(_) if if_exists => return Ok(()),
            Err(error) => return Err(error),
        };
        if !cascade && !schema.is_empty() {
            return Err(not_empty("SCHEMA_NOT_EMPTY", "schema", path));
        }
        self.change(|state| Ok(state.catalog_mut(&path.catalog)?.schemas.remove(&path.schema)))?;
        self.disk.discard(&self.disk.schema_dir(path))
    }
}

/// Tables and volumes.
impl Metastore {
    /// Puts a finished table in its place and registers it.
    ///
    /// # Errors
    /// `[TABLE_OR_VIEW_ALREADY_EXISTS]` when the name was taken in the meantime; the staged folder is then left.
    pub(crate) fn publish_table(&self, path: &ObjectPath, staged: &Path, entry: Entry) -> Result<()> {
        let _one_at_a_time = self.lock();
        if self.state().schema(&path.parent)?.tables.contains_key(&path.name) {
            return Err(table_exists(path));
        }
        self.disk.publish(staged, &self.disk.table_dir(path))?;
        self.change(|state| {
            let schema = state.schema_mut(&path.parent)?;
            schema.tables.insert(path.name.clone(), entry);
            Ok(())
        })
    }

    /// Drops a table. `false`: there was none (and that was allowed).
    pub(crate) fn drop_table(&self, path: &ObjectPath, if_exists: bool) -> Result<bool> {
        let _one_at_a_time = self.lock();
        match self.state().table(path) {
            Ok(_) => {}
            Err(_) if if_exists => return Ok(false),
            Err(error) => return Err(error),
        }
        self.change(|state| Ok(state.schema_mut(&path.parent)?.tables.remove(&path.name)))?;
        self.disk.discard(&self.disk.table_dir(path))?;
        Ok(true)
    }

    /// Makes a volume and its folder. `false`: it was there already (and that was allowed).
    pub(crate) fn create_volume(&self, path: &ObjectPath, entry: Entry, if_not_exists: bool) -> Result<bool> {
        let _one_at_a_time = self.lock();
        if self.state().schema(&path.parent)?.volumes.contains_key(&path.name) {
            return exists(if_not_exists, "VOLUME_ALREADY_EXISTS", "42710", "volume", path);
        }
        let place = self.disk.volume_dir(path);
        self.disk.discard(&place)?;
        create_dir(&place)?;
        self.change(|state| {
            let schema = state.schema_mut(&path.parent)?;
            schema.volumes.insert(path.name.clone(), entry);
            Ok(())
        })?;
        Ok(true)
    }

    /// Drops a volume and the files in it.
    pub(crate) fn drop_volume(&self, path: &ObjectPath, if_exists: bool) -> Result<()> {
        let _one_at_a_time = self.lock();
        match self.state().volume(path) {
            Ok(_) => {}
            Err(_) if if_exists => return Ok(()),
            Err(error) => return Err(error),
        }
        self.change(|state| Ok(state.schema_mut(&path.parent)?.volumes.remove(&path.name)))?;
        self.disk.discard(&self.disk.volume_dir(path))
    }
}

/// `[TABLE_OR_VIEW_ALREADY_EXISTS]`.
pub(crate) fn table_exists(path: &ObjectPath) -> LocalError {
    LocalError::already_exists("TABLE_OR_VIEW_ALREADY_EXISTS", "42P07", "table or view", path)
}

fn exists(
    allowed: bool,
    class: &str,
    sql_state: &str,
    kind: &str,
    name: impl std::fmt::Display,
) -> Result<bool> {
    if allowed { Ok(false) } else { Err(LocalError::already_exists(class, sql_state, kind, name)) }
}

fn not_empty(class: &str, kind: &str, name: impl std::fmt::Display) -> LocalError {
    let message = format!(
        "Cannot drop a {kind} {name} because it contains objects. Use DROP .. CASCADE to drop the {kind} and all its objects."
    );
    LocalError::new(class, "2BP01", message)
}

fn save(disk: &Disk, state: &State) -> Result<()> {
    let text = serde_json::to_vec_pretty(state).map_err(LocalError::internal)?;
    write_whole(&disk.internal("state.json"), &text)
}

fn read_state(path: &Path, bytes: &[u8]) -> Result<State> {
    let corrupt = |why: String| {
        let message = format!("The metastore file {} cannot be read: {why}.", path.display());
        LocalError::new("METASTORE_CORRUPT", "58030", message)
    };
    let state: State = serde_json::from_slice(bytes).map_err(|e| corrupt(e.to_string()))?;
    if state.layout > state::LAYOUT {
        return Err(corrupt(format!("its layout {} was written by a later release", state.layout)));
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn entry() -> Entry {
        Entry::new("someone", None)
    }

    #[test]
    fn objects_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let sales = SchemaPath::parse("main", "Sales").unwrap();
        let table = ObjectPath::parse("main", "sales", "Orders").unwrap();
        {
            let store = Metastore::open(dir.path()).unwrap();
            assert!(store.create_schema(&sales, entry(), false).unwrap());
            let staged = store.new_staging().unwrap();
            std::fs::write(staged.join("x"), "1").unwrap();
            store.publish_table(&table, &staged, entry()).unwrap();
        }
        let store = Metastore::open(dir.path()).unwrap();
        assert!(store.state().table(&table).is_ok());
        assert!(store.table_dir(&table).join("x").exists());
        assert!(store.table_dir(&table).ends_with("catalogs/main/sales/tables/orders"));
    }

    #[test]
    fn one_process_owns_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let first = Metastore::open(dir.path()).unwrap();
        let error = Metastore::open(dir.path()).unwrap_err();
        assert_eq!(error.class(), "WORKSPACE_LOCKED");
        assert!(error.message().contains("in use"), "{error}");
        drop(first);
        assert!(Metastore::open(dir.path()).is_ok());
    }

    #[test]
    fn what_holds_something_is_dropped_only_with_cascade() {
        let dir = tempfile::tempdir().unwrap();
        let store = Metastore::open(dir.path()).unwrap();
        let volume = ObjectPath::parse("main", "default", "files").unwrap();
        store.create_volume(&volume, entry(), false).unwrap();
        std::fs::write(store.volume_dir(&volume).join("a.csv"), "1").unwrap();
        assert_eq!(store.drop_schema(&volume.parent, false, false).unwrap_err().sql_state(), "2BP01");
        assert_eq!(
            store.drop_catalog(&volume.parent.catalog, false, false).unwrap_err().sql_state(),
            "2BP01"
        );
        store.drop_schema(&volume.parent, false, true).unwrap();
        assert!(!store.volume_dir(&volume).exists());
        assert_eq!(store.state().volume(&volume).unwrap_err().class(), "UC_VOLUME_NOT_FOUND");
        store.drop_schema(&volume.parent, true, false).unwrap();
    }

    #[test]
    fn a_damaged_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        drop(Metastore::open(dir.path()).unwrap());
        std::fs::write(dir.path().join("metastore/state.json"), "{").unwrap();
        let error = Metastore::open(dir.path()).unwrap_err();
        assert_eq!(error.class(), "METASTORE_CORRUPT");
        assert!(error.message().contains("state.json"), "{error}");
    }

    #[test]
    fn an_unfinished_table_of_an_earlier_process_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let staged = Metastore::open(dir.path()).unwrap().new_staging().unwrap();
        assert!(staged.exists());
        let _store = Metastore::open(dir.path()).unwrap();
        assert!(!staged.exists());
    }
}
