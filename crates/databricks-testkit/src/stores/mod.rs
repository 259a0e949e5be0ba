//! Where a simulated workspace keeps what is not SQL: files in volumes, and Unity Catalog's objects.

mod catalog;
mod memory_catalog;
mod memory_objects;
mod memory_volumes;
mod path;
mod volumes;

pub use catalog::{
    CatalogError, CatalogObject, CatalogStore, NewCatalog, NewSchema, NewVolume, ObjectUpdate,
};
pub use memory_catalog::MemoryCatalogStore;
pub use memory_volumes::MemoryVolumeStore;
pub use path::{InvalidPath, VolumePath};
pub use volumes::{
    ByteStream, DirectoryEntry, DirectoryPage, FileContent, FileMetadata, PageRequest, VolumeError,
    VolumeStore,
};
