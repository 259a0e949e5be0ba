//! Temporary credentials of Unity Catalog, asked for again before they end.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use databricks_schema::catalog::{CloudCredentials, StorageAccess};
use databricks_schema::{CatalogClient, SchemaError};
use databricks_transport::{Error, ErrorKind};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use object_store::azure::AzureCredential;
use object_store::gcp::GcpCredential;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::failure;

/// New ones are asked for this long before the old ones end, or after nine tenths of a shorter life.
const MARGIN: Duration = Duration::from_secs(5 * 60);
/// How long credentials are used that do not say when they end.
const UNSAID: Duration = Duration::from_secs(15 * 60);

/// The credentials of a path for one cloud.
pub(super) struct UnityCredentials<C> {
    catalog: CatalogClient,
    url: String,
    /// One question at a time; the others wait for its answer.
    held: Mutex<Option<Held<C>>>,
}

struct Held<C> {
    credential: Arc<C>,
    until: Instant,
}

/// A credential that can be read from Unity Catalog's answer.
pub(super) trait Cloud: Sized {
    /// None when the answer is of another cloud.
    fn read(given: CloudCredentials) -> Option<Self>;
}

/// Credentials that can be given up before they end.
pub(super) trait Renew: Send + Sync {
    /// Asks for new ones with the next request.
    fn renew(&self);
}

impl<C> UnityCredentials<C> {
    pub(super) fn new(catalog: CatalogClient, url: String) -> Self {
        Self { catalog, url, held: Mutex::new(None) }
    }
}

impl<C: Cloud> UnityCredentials<C> {
    async fn fetch(&self) -> Result<Held<C>, Error> {
        let given = self.catalog.temporary_path_credentials(&self.url, StorageAccess::ReadWrite).await;
        let given = given.map_err(|error| match error {
            SchemaError::Transport(error) => error,
            other => Error::new(ErrorKind::Other, other.to_string()),
        })?;
        let life = match given.expires {
            Some(expires) => expires.duration_since(SystemTime::now()).unwrap_or_default(),
            None => UNSAID,
        };
        let credential = C::read(given.cloud).ok_or_else(|| {
            let message = format!("Unity Catalog gave credentials of another cloud for {}", self.url);
            Error::new(ErrorKind::Decode, message)
        })?;
        let until = Instant::now() + life.saturating_sub(MARGIN.min(life / 10));
        Ok(Held { credential: Arc::new(credential), until })
    }
}

#[async_trait]
impl<C: Cloud + fmt::Debug + Send + Sync> CredentialProvider for UnityCredentials<C> {
    type Credential = C;

    async fn get_credential(&self) -> object_store::Result<Arc<C>> {
        let mut held = self.held.lock().await;
        let now = Instant::now();
        if let Some(held) = held.as_ref().filter(|held| now < held.until) {
            return Ok(Arc::clone(&held.credential));
        }
        let fetched = self.fetch().await.map_err(failure::of_credential)?;
        Ok(Arc::clone(&held.insert(fetched).credential))
    }
}

impl<C: Send + Sync> Renew for UnityCredentials<C> {
    fn renew(&self) {
        // Whoever has it locked is asking for new ones.
        if let Ok(mut held) = self.held.try_lock() {
            *held = None;
        }
    }
}

impl<C> fmt::Debug for UnityCredentials<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnityCredentials").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Cloud for AwsCredential {
    fn read(given: CloudCredentials) -> Option<Self> {
        let (CloudCredentials::Aws { access_key_id, secret_access_key, session_token }
        | CloudCredentials::R2 { access_key_id, secret_access_key, session_token }) = given
        else {
            return None;
        };
        Some(Self {
            key_id: access_key_id,
            secret_key: exposed(&secret_access_key),
            token: Some(exposed(&session_token)),
        })
    }
}

impl Cloud for AzureCredential {
    fn read(given: CloudCredentials) -> Option<Self> {
        match given {
            CloudCredentials::AzureSas(sas) => Some(Self::SASToken(pairs(sas.expose_secret()))),
            CloudCredentials::AzureAad(token) => Some(Self::BearerToken(exposed(&token))),
            _ => None,
        }
    }
}

impl Cloud for GcpCredential {
    fn read(given: CloudCredentials) -> Option<Self> {
        match given {
            CloudCredentials::Gcp(token) => Some(Self { bearer: exposed(&token) }),
            _ => None,
        }
    }
}

fn exposed(secret: &SecretString) -> String {
    secret.expose_secret().to_owned()
}

/// The pairs of a shared access signature, decoded.
fn pairs(sas: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pairs = sas.trim_start_matches('?').split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};

    use databricks_transport::{Body, Client, DatabricksConfig};
    use http::{Request, Response};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn credentials_are_asked_for_again_before_they_end_and_when_they_are_given_up() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let leaf = tower::service_fn(move |_: Request<Body>| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            let until = SystemTime::now() + Duration::from_secs(60 * 60);
            let until = until.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
            let answer =
                format!(r#"{{"expiration_time":{until},"gcp_oauth_token":{{"oauth_token":"t{number}"}}}}"#);
            std::future::ready(Ok::<_, Error>(Response::new(Body::from(answer))))
        });
        let config = DatabricksConfig::new("h.example").unwrap().with_token("dapi-example");
        let client = Client::builder(config).leaf(leaf).build().unwrap();
        let credentials =
            UnityCredentials::<GcpCredential>::new(CatalogClient::new(&client), "gs://b/p".to_owned());
        let held = || async { credentials.get_credential().await.unwrap().bearer.clone() };
        assert_eq!(held().await, "t0");
        tokio::time::advance(Duration::from_secs(54 * 60)).await;
        assert_eq!(held().await, "t0");
        tokio::time::advance(Duration::from_secs(2 * 60)).await;
        assert_eq!((held().await, held().await), ("t1".to_owned(), "t1".to_owned()));
        credentials.renew();
        assert_eq!((held().await, asked.load(Ordering::Relaxed)), ("t2".to_owned(), 3));
    }

    fn secret(text: &str) -> SecretString {
        text.to_owned().into()
    }

    #[test]
    fn each_cloud_reads_its_own_credentials_and_no_other_s() {
        let keys = || CloudCredentials::Aws {
            access_key_id: "id".to_owned(),
            secret_access_key: secret("key"),
            session_token: secret("token"),
        };
        let read = AwsCredential::read(keys());
        let expected = AwsCredential {
            key_id: "id".to_owned(),
            secret_key: "key".to_owned(),
            token: Some("token".to_owned()),
        };
        assert!(read == Some(expected));
        assert!(AzureCredential::read(keys()).is_none() && GcpCredential::read(keys()).is_none());
        let sas = AzureCredential::read(CloudCredentials::AzureSas(secret("sv=2024-01-01&sig=a%2Bb%3D")));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = AzureCredential::SASToken(vec![pair("sv", "2024-01-01"), pair("sig", "a+b=")]);
        assert!(sas == Some(expected));
        let bearer = AzureCredential::read(CloudCredentials::AzureAad(secret("t")));
        assert!(bearer == Some(AzureCredential::BearerToken("t".to_owned())));
        let gcp = GcpCredential::read(CloudCredentials::Gcp(secret("t")));
        assert!(gcp == Some(GcpCredential { bearer: "t".to_owned() }));
        assert!(AwsCredential::read(CloudCredentials::Gcp(secret("t"))).is_none());
    }
}
