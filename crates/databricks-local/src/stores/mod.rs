//! What is not SQL, over the same folder: files in volumes, and Unity Catalog's objects as REST has them.

mod catalog;
mod files;
mod quota;
mod update;

pub(crate) use self::catalog::FolderCatalog;
pub(crate) use self::files::FolderVolumes;
