//! Temporary credentials for the files of tables and for paths in the cloud.

use std::time::{Duration, SystemTime};

use databricks_transport::{ApiRequest, Operation};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use super::CatalogClient;
use crate::{Result, SchemaError};

// Another set of credentials does no harm.
const OF_TABLE: Operation = Operation::new("unity.temporary_table_credentials").idempotent();
const OF_PATH: Operation = Operation::new("unity.temporary_path_credentials").idempotent();

const TABLE: &str = "/api/2.1/unity-catalog/temporary-table-credentials";
const PATH: &str = "/api/2.1/unity-catalog/temporary-path-credentials";

/// What credentials allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageAccess {
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
}

/// Credentials for files, for a limited time. `Debug` shows none of the secrets.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TemporaryCredentials {
    /// Where the files are.
    pub url: Option<String>,
    /// When they end.
    pub expires: Option<SystemTime>,
    /// The credentials of the cloud.
    pub cloud: CloudCredentials,
}

/// The credentials of a cloud.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CloudCredentials {
    /// S3.
    Aws {
        /// The key's id.
        access_key_id: String,
        /// The key.
        secret_access_key: SecretString,
        /// The token of the session.
        session_token: SecretString,
    },
    /// R2, which speaks S3.
    R2 {
        /// The key's id.
        access_key_id: String,
        /// The key.
        secret_access_key: SecretString,
        /// The token of the session.
        session_token: SecretString,
    },
    /// A shared access signature of Azure storage.
    AzureSas(SecretString),
    /// A token of Microsoft Entra ID.
    AzureAad(SecretString),
    /// An OAuth token of Google Cloud.
    Gcp(SecretString),
}

#[derive(Deserialize)]
struct Answer {
    url: Option<String>,
    expiration_time: Option<u64>,
    aws_temp_credentials: Option<Keys>,
    r2_temp_credentials: Option<Keys>,
    azure_user_delegation_sas: Option<Sas>,
    azure_aad: Option<Aad>,
    gcp_oauth_token: Option<Gcp>,
}

#[derive(Deserialize)]
struct Keys {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
}

#[derive(Deserialize)]
struct Sas {
    sas_token: String,
}

#[derive(Deserialize)]
struct Aad {
    aad_token: String,
}

#[derive(Deserialize)]
struct Gcp {
    oauth_token: String,
}

impl CatalogClient {
    /// Credentials for the files of a table, by its id ([`TableInfo::table_id`](super::TableInfo::table_id)).
    ///
    /// # Errors
    /// [`SchemaError::Transport`]: of kind `PermissionDenied` without EXTERNAL USE SCHEMA, `NotFound` for an unknown id.
    pub async fn temporary_table_credentials(
        &self,
        table_id: &str,
        access: StorageAccess,
    ) -> Result<TemporaryCredentials> {
        let operation = match access {
            StorageAccess::Read => "READ",
            StorageAccess::ReadWrite => "READ_WRITE",
        };
        let body = json!({ "table_id": table_id, "operation": operation });
        read(self.client.call(OF_TABLE, ApiRequest::post(TABLE).json(&body)?).await?, TABLE)
    }

    /// Credentials for a path in the cloud that an external location covers.
    ///
    /// # Errors
    /// [`SchemaError::Transport`]: of kind `PermissionDenied` without a grant on the location.
    pub async fn temporary_path_credentials(
        &self,
        url: &str,
        access: StorageAccess,
    ) -> Result<TemporaryCredentials> {
        let operation = match access {
            StorageAccess::Read => "PATH_READ",
            StorageAccess::ReadWrite => "PATH_READ_WRITE",
        };
        let body = json!({ "url": url, "operation": operation });
        read(self.client.call(OF_PATH, ApiRequest::post(PATH).json(&body)?).await?, PATH)
    }
}

fn read(answer: Answer, path: &str) -> Result<TemporaryCredentials> {
    let Answer { url, expiration_time, .. } = answer;
    let cloud = if let Some(keys) = answer.aws_temp_credentials {
        let Keys { access_key_id, secret_access_key, session_token } = keys;
        CloudCredentials::Aws {
            access_key_id,
            secret_access_key: secret_access_key.into(),
            session_token: session_token.into(),
        }
    } else if let Some(keys) = answer.r2_temp_credentials {
        let Keys { access_key_id, secret_access_key, session_token } = keys;
        CloudCredentials::R2 {
            access_key_id,
            secret_access_key: secret_access_key.into(),
            session_token: session_token.into(),
        }
    } else if let Some(Sas { sas_token }) = answer.azure_user_delegation_sas {
        CloudCredentials::AzureSas(sas_token.into())
    } else if let Some(Aad { aad_token }) = answer.azure_aad {
        CloudCredentials::AzureAad(aad_token.into())
    } else if let Some(Gcp { oauth_token }) = answer.gcp_oauth_token {
        CloudCredentials::Gcp(oauth_token.into())
    } else {
        let message = format!("{path} answered credentials of a cloud that is not known here");
        let kind = databricks_transport::ErrorKind::Decode;
        return Err(SchemaError::Transport(databricks_transport::Error::new(kind, message)));
    };
    let expires =
        expiration_time.and_then(|at| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(at)));
    Ok(TemporaryCredentials { url, expires, cloud })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_cloud_is_read_and_no_secret_is_shown() {
        let keys = json!({"access_key_id": "id", "secret_access_key": "s3cret", "session_token": "s3cret"});
        for (field, value) in [
            ("aws_temp_credentials", keys.clone()),
            ("r2_temp_credentials", keys),
            ("azure_user_delegation_sas", json!({"sas_token": "s3cret"})),
            ("azure_aad", json!({"aad_token": "s3cret"})),
            ("gcp_oauth_token", json!({"oauth_token": "s3cret"})),
        ] {
            let mut answer = json!({"url": "s3://b/t", "expiration_time": 1_700_000_000_000_u64, "new": 1});
            answer[field] = value;
            let read = read(serde_json::from_value(answer).unwrap(), TABLE).unwrap();
            assert!(read.expires.is_some() && !format!("{read:?}").contains("s3cret"), "{read:?}");
        }
        let unknown: Value = json!({"url": "x://b"});
        assert!(read(serde_json::from_value(unknown).unwrap(), TABLE).is_err());
    }
}
