//! Unity Catalog over REST: catalogs, schemas, tables and volumes.
//!
//! `client` has the calls, `info` what they answer, `paging` how lists become streams.

mod client;
mod info;
mod paging;

pub use client::CatalogClient;
pub use info::{CatalogInfo, ColumnInfo, SchemaInfo, TableInfo, VolumeInfo};
