//! Unity Catalog over REST: catalogs, schemas, tables, volumes and functions, grants, temporary credentials.
//!
//! `client`, `volumes`, `functions`, `grants` and `credentials` have the calls, `info` and `objects` what they answer, `paging` how lists
//! become streams.

mod client;
mod credentials;
mod functions;
mod grants;
mod info;
mod objects;
mod paging;
mod volumes;

pub use client::{CatalogClient, NewObject};
pub use credentials::{CloudCredentials, StorageAccess, TemporaryCredentials};
pub use grants::{EffectiveGrant, EffectivePrivilege, Grant, GrantChange, Privilege, Securable};
pub use info::{ColumnInfo, TableInfo};
pub use objects::{CatalogInfo, FunctionInfo, SchemaInfo, TableSummary, VolumeInfo};
