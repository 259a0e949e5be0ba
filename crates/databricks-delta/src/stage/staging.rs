//! Where the parts of writes lie until they are in their table: as callers say it.

use databricks_schema::TableName;

use super::DEFAULT_VOLUME;
#[cfg(feature = "object-store")]
use super::external::ExternalStaging;
use super::storage::{self, Storage};
use crate::client::Remote;
use crate::error::Result;
use crate::names::Target;

/// Where the parts of writes and merges lie until they are in their table.
///
/// ```
/// use databricks_delta::{DeltaClient, Staging};
///
/// # fn example(delta: DeltaClient) {
/// // Writes, merges, `resume` and `sweep_staging` of this client use the volume `main.etl.parts`.
/// let delta = delta.with_staging(Staging::volume("main.etl.parts"));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Staging(pub(crate) Kind);

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Volume(String),
    #[cfg(feature = "object-store")]
    External(ExternalStaging),
}

impl Staging {
    /// A volume, named like a table (`v`, `s.v` or `c.s.v`). It is made if it is missing.
    pub fn volume(name: impl Into<String>) -> Self {
        Self(Kind::Volume(name.into()))
    }

    /// A path in a cloud's storage: `s3://bucket/path`, `abfss://container@account.dfs.core.windows.net/path`,
    /// `gs://bucket/path` or `r2://bucket@account.r2.cloudflarestorage.com/path`. The SQL warehouse must be able to read
    /// it: an external location covers it.
    #[cfg(feature = "object-store")]
    pub fn external(url: impl Into<String>) -> ExternalStaging {
        ExternalStaging::new(url.into())
    }
}

#[cfg(feature = "object-store")]
impl From<ExternalStaging> for Staging {
    fn from(external: ExternalStaging) -> Self {
        Self(Kind::External(external))
    }
}

/// Where staged files are to lie, with names completed by a client.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Volume(Target),
    #[cfg(feature = "object-store")]
    External(ExternalStaging),
}

impl Place {
    /// The storage for writes to a table: what was asked for, or the default volume beside the table.
    pub(crate) fn open(place: Option<&Self>, remote: &Remote, table: &TableName) -> Result<Storage> {
        match place {
            #[cfg(feature = "object-store")]
            Some(Self::External(external)) => Ok(Storage::External(external.open(remote)?)),
            place => Ok(Storage::volume(remote, Self::volume(place, table)?)),
        }
    }

    /// The path under which writes have their directories.
    pub(crate) fn base(place: Option<&Self>, table: &TableName) -> Result<String> {
        match place {
            #[cfg(feature = "object-store")]
            Some(Self::External(external)) => external.base(),
            place => Ok(storage::volume_path(&Self::volume(place, table)?)),
        }
    }

    fn volume(place: Option<&Self>, table: &TableName) -> Result<TableName> {
        match place {
            Some(Self::Volume(volume)) => Ok(volume.get()?.clone()),
            _ => Ok(TableName::new(table.catalog(), table.schema(), DEFAULT_VOLUME)?),
        }
    }
}
