//! Staging in a cloud's storage: where it is, and who may write there.

mod address;
mod answer;
mod bucket;
mod connector;
mod credentials;
mod failure;
mod open;

use std::fmt;
use std::sync::Arc;

use object_store::ObjectStore;

use crate::client::Remote;
use crate::error::Result;
use address::Address;

pub(crate) use bucket::Bucket;

/// A path in a cloud's storage where parts are staged. Made by [`Staging::external`](crate::Staging::external).
///
/// Its credentials are those of Unity Catalog for the path, unless others are named. Whoever they belong to must be
/// allowed to list, read, write and delete below the path; what is deleted there are files of writes only.
///
/// ```no_run
/// use databricks_delta::{DeltaClient, Staging};
///
/// # async fn example(delta: DeltaClient, rows: &[(i64,)]) -> Result<(), databricks_delta::DeltaError> {
/// let delta = delta.with_staging(Staging::external("s3://my-bucket/staging").region("eu-west-1"));
/// delta.write_batch("days", rows).idempotency_key("days of May").send().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct ExternalStaging {
    url: String,
    access: Access,
    region: Option<String>,
    endpoint: Option<String>,
}

/// Who writes.
#[derive(Clone)]
enum Access {
    UnityCatalog,
    Environment,
    Store(Arc<dyn ObjectStore>),
}

impl ExternalStaging {
    pub(crate) fn new(url: String) -> Self {
        Self { url, access: Access::UnityCatalog, region: None, endpoint: None }
    }

    /// Asks Unity Catalog for temporary credentials (`PATH_READ_WRITE`) and asks again before they end: the default. It
    /// takes EXTERNAL USE LOCATION on the external location that covers the path.
    pub fn from_unity_catalog(mut self) -> Self {
        self.access = Access::UnityCatalog;
        self
    }

    /// Takes credentials from the environment, as the cloud's own tools name them (`AWS_ACCESS_KEY_ID` ..,
    /// `AZURE_STORAGE_ACCOUNT_KEY` .., `GOOGLE_APPLICATION_CREDENTIALS` ..), else those of the machine it runs on.
    pub fn from_env(mut self) -> Self {
        self.access = Access::Environment;
        self
    }

    /// Writes through a store of the program's own, whose root is that of the URL's bucket or container. Neither
    /// [`region`](Self::region) nor [`endpoint`](Self::endpoint) has a meaning then. `ObjectStore` is that of the crate
    /// `object_store` 0.13.
    pub fn with_store(mut self, store: Arc<dyn ObjectStore>) -> Self {
        self.access = Access::Store(store);
        self
    }

    /// The bucket's region, which S3 signs for. Without it that of `AWS_REGION` or `AWS_DEFAULT_REGION`.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Where the storage answers, when that is not the cloud's usual address: `https://minio.example.com:9000`.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// The path as statements name it.
    pub(crate) fn base(&self) -> Result<String> {
        Ok(Address::parse(&self.url)?.base())
    }

    pub(crate) fn open(&self, remote: &Remote) -> Result<Bucket> {
        open::open(self, remote)
    }
}

impl fmt::Debug for ExternalStaging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, access, region, endpoint } = self;
        let access = match access {
            Access::UnityCatalog => "Unity Catalog",
            Access::Environment => "environment",
            Access::Store(_) => "a store of the program's own",
        };
        f.debug_struct("ExternalStaging")
            .field("url", &address::shown(url))
            .field("access", &access)
            .field("region", region)
            .field("endpoint", &endpoint.as_deref().map(address::shown))
            .finish()
    }
}
