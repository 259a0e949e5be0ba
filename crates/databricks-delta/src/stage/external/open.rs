//! Building the store of a path: which cloud, which settings, whose credentials.

use std::env;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;

use super::address::{Address, Cloud};
use super::bucket::Bucket;
use super::connector::Connector;
use super::credentials::{Renew, UnityCredentials};
use super::{Access, ExternalStaging, failure};
use crate::client::Remote;
use crate::error::{DeltaError, Result};

/// What stands for the region where the storage has none.
const NO_REGION: &str = "auto";

/// A store, and what gives up its credentials before they end.
type Opened = (Arc<dyn ObjectStore>, Option<Arc<dyn Renew>>);

pub(super) fn open(external: &ExternalStaging, remote: &Remote) -> Result<Bucket> {
    let address = Address::parse(&external.url)?;
    let connector = Connector(remote.client.clone());
    let refuse = |error: object_store::Error| refused("staging", &address.base(), &error.to_string());
    let (store, renew): Opened = match (&external.access, &address.cloud) {
        (Access::Store(store), _) => (Arc::clone(store), None),
        (_, Cloud::S3 { bucket, host }) => {
            let mut builder = s3(external, bucket, host.as_deref(), |name| env::var(name).ok())?;
            let unity = external.unity(&address, remote);
            if let Some(unity) = &unity {
                builder = builder.with_credentials(Arc::clone(unity) as _);
            }
            let store = builder.with_http_connector(connector).build().map_err(refuse)?;
            (Arc::new(store), unity.map(|unity| unity as _))
        }
        (_, Cloud::Azure { container, account, domain }) => {
            let mut builder = azure(external, container, account, domain);
            let unity = external.unity(&address, remote);
            if let Some(unity) = &unity {
                builder = builder.with_credentials(Arc::clone(unity) as _);
            }
            let store = builder.with_http_connector(connector).build().map_err(refuse)?;
            (Arc::new(store), unity.map(|unity| unity as _))
        }
        (_, Cloud::Gcs { bucket }) => {
            let mut builder = gcs(external, bucket);
            let unity = external.unity(&address, remote);
            if let Some(unity) = &unity {
                builder = builder.with_credentials(Arc::clone(unity) as _);
            }
            let store = builder.with_http_connector(connector).build().map_err(refuse)?;
            (Arc::new(store), unity.map(|unity| unity as _))
        }
    };
    Ok(Bucket::new(address, store, renew))
}

impl ExternalStaging {
    /// Unity Catalog's credentials for one cloud, when they are to be used.
    fn unity<C>(&self, address: &Address, remote: &Remote) -> Option<Arc<UnityCredentials<C>>> {
        matches!(self.access, Access::UnityCatalog)
            .then(|| Arc::new(UnityCredentials::new(remote.catalog.clone(), address.base())))
    }

    fn takes_environment(&self) -> bool {
        matches!(self.access, Access::Environment)
    }
}

/// Requests name the bucket in their path, which every service that speaks S3 understands.
fn s3(
    external: &ExternalStaging,
    bucket: &str,
    host: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<AmazonS3Builder> {
    let mut builder =
        if external.takes_environment() { AmazonS3Builder::from_env() } else { AmazonS3Builder::new() };
    let default_region = match host {
        Some(host) => {
            builder = builder.with_endpoint(format!("https://{host}"));
            Some(NO_REGION.to_owned())
        }
        None => variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")),
    };
    let region = external.region.clone().or(default_region).ok_or_else(|| {
        let reason =
            "requests to S3 are signed for the bucket's region: name it by `region`, or in AWS_REGION";
        refused("region", "none", reason)
    })?;
    if let Some(endpoint) = &external.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    Ok(builder.with_region(region).with_bucket_name(bucket))
}

fn azure(external: &ExternalStaging, container: &str, account: &str, domain: &str) -> MicrosoftAzureBuilder {
    let builder = if external.takes_environment() {
        MicrosoftAzureBuilder::from_env()
    } else {
        MicrosoftAzureBuilder::new()
    };
    // The same storage has a second address, under which it speaks the protocol of blobs.
    let usual = || format!("https://{account}.blob.{domain}");
    let endpoint = external.endpoint.clone().unwrap_or_else(usual);
    builder.with_account(account).with_container_name(container).with_endpoint(endpoint)
}

fn gcs(external: &ExternalStaging, bucket: &str) -> GoogleCloudStorageBuilder {
    let builder = if external.takes_environment() {
        GoogleCloudStorageBuilder::from_env()
    } else {
        GoogleCloudStorageBuilder::new()
    };
    let builder = builder.with_bucket_name(bucket);
    match &external.endpoint {
        Some(endpoint) => builder.with_base_url(endpoint),
        None => builder,
    }
}

fn refused(option: &'static str, value: &str, reason: &str) -> DeltaError {
    DeltaError::InvalidOption { option, value: value.to_owned(), reason: failure::cleaned(reason) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use object_store::aws::AmazonS3ConfigKey;
    use object_store::azure::AzureConfigKey;
    use object_store::gcp::GoogleConfigKey;

    use super::*;
    use crate::Staging;

    fn built(external: &ExternalStaging, variable: Option<&str>) -> Result<[Option<String>; 3]> {
        let Cloud::S3 { bucket, host } = Address::parse(&external.url)?.cloud else {
            return Err(refused("staging", &external.url, "it is no bucket of S3"));
        };
        let variable = |name: &str| variable.filter(|_| name == "AWS_DEFAULT_REGION").map(str::to_owned);
        let builder = s3(external, &bucket, host.as_deref(), variable)?;
        let keys = [AmazonS3ConfigKey::Bucket, AmazonS3ConfigKey::Region, AmazonS3ConfigKey::Endpoint];
        Ok(keys.map(|key| builder.get_config_value(&key)))
    }

    #[test]
    fn a_bucket_of_s3_has_its_region_from_code_or_the_environment() {
        let text = |text: &str| Some(text.to_owned());
        let s3 = Staging::external("s3://b/p");
        assert_eq!(built(&s3, Some("eu-west-1")).unwrap(), [text("b"), text("eu-west-1"), None]);
        let named = s3.clone().region("us-west-2").endpoint("http://127.0.0.1:9");
        let expected = [text("b"), text("us-west-2"), text("http://127.0.0.1:9")];
        assert_eq!(built(&named, Some("eu-west-1")).unwrap(), expected);
        let error = built(&s3, None).unwrap_err();
        assert!(error.to_string().starts_with("region = none cannot be used"), "{error}");
        let r2 = Staging::external("r2://b@id.r2.cloudflarestorage.com/p");
        let expected = [text("b"), text("auto"), text("https://id.r2.cloudflarestorage.com")];
        assert_eq!(built(&r2, Some("eu-west-1")).unwrap(), expected);
    }

    #[test]
    fn a_container_of_azure_and_a_bucket_of_google_are_reached_at_their_addresses() {
        let external = Staging::external("abfss://c@acc.dfs.core.windows.net/p");
        let builder = azure(&external, "c", "acc", "core.windows.net");
        let value = |builder: &MicrosoftAzureBuilder, key| builder.get_config_value(&key).unwrap();
        assert_eq!(value(&builder, AzureConfigKey::AccountName), "acc");
        assert_eq!(value(&builder, AzureConfigKey::ContainerName), "c");
        assert_eq!(value(&builder, AzureConfigKey::Endpoint), "https://acc.blob.core.windows.net");
        let builder = gcs(&Staging::external("gs://b/p"), "b");
        assert_eq!(builder.get_config_value(&GoogleConfigKey::Bucket).unwrap(), "b");
    }
}
