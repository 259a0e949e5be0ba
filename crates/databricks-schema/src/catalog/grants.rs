//! Who may do what: grants read and changed.

use std::borrow::Cow;
use std::fmt;

use databricks_transport::{ApiRequest, Operation, encode_segment};
use futures::TryStreamExt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::CatalogClient;
use super::client::within;
use crate::{Result, TableName, validate_object_name};

const GET_GRANTS: Operation = Operation::new("unity.get_grants").idempotent();
const GET_EFFECTIVE: Operation = Operation::new("unity.get_effective_grants").idempotent();
// Granting what is granted, and revoking what is not, changes nothing.
const UPDATE_GRANTS: Operation = Operation::new("unity.update_grants").idempotent();

/// The smallest page of grants that the server gives: all that one principal holds must fit into it.
const SMALLEST_PAGE: u32 = 150;

/// Something that privileges are granted on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Securable {
    kind: Cow<'static, str>,
    name: String,
}

impl Securable {
    /// A catalog.
    ///
    /// # Errors
    /// [`SchemaError::InvalidName`](crate::SchemaError::InvalidName).
    pub fn catalog(catalog: &str) -> Result<Self> {
        validate_object_name("catalog", catalog)?;
        Ok(Self { kind: "catalog".into(), name: catalog.to_owned() })
    }

    /// A schema.
    ///
    /// # Errors
    /// [`SchemaError::InvalidName`](crate::SchemaError::InvalidName).
    pub fn schema(catalog: &str, schema: &str) -> Result<Self> {
        within(catalog, schema)?;
        Ok(Self { kind: "schema".into(), name: format!("{catalog}.{schema}") })
    }

    /// A table or view.
    pub fn table(table: &TableName) -> Self {
        Self { kind: "table".into(), name: table.full_name() }
    }

    /// A volume.
    ///
    /// # Errors
    /// [`SchemaError::InvalidName`](crate::SchemaError::InvalidName).
    pub fn volume(catalog: &str, schema: &str, volume: &str) -> Result<Self> {
        within(catalog, schema)?;
        validate_object_name("volume", volume)?;
        Ok(Self { kind: "volume".into(), name: format!("{catalog}.{schema}.{volume}") })
    }

    /// Anything else, by the API's words: `external_location` and its name, `metastore` and its id, ...
    pub fn other(kind: impl Into<String>, full_name: impl Into<String>) -> Self {
        Self { kind: Cow::Owned(kind.into()), name: full_name.into() }
    }

    fn path(&self, of: &str) -> String {
        let Self { kind, name } = self;
        format!("/api/2.1/unity-catalog/{of}/{}/{}", encode_segment(kind), encode_segment(name))
    }
}

/// A privilege, by the API's name. The server may know more than are named here.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Privilege(Cow<'static, str>);

impl Privilege {
    /// All that applies.
    pub const ALL_PRIVILEGES: Self = Self(Cow::Borrowed("ALL_PRIVILEGES"));
    /// Using a catalog.
    pub const USE_CATALOG: Self = Self(Cow::Borrowed("USE_CATALOG"));
    /// Using a schema.
    pub const USE_SCHEMA: Self = Self(Cow::Borrowed("USE_SCHEMA"));
    /// Reading rows.
    pub const SELECT: Self = Self(Cow::Borrowed("SELECT"));
    /// Changing rows.
    pub const MODIFY: Self = Self(Cow::Borrowed("MODIFY"));
    /// Calling functions.
    pub const EXECUTE: Self = Self(Cow::Borrowed("EXECUTE"));
    /// Reading files of volumes.
    pub const READ_VOLUME: Self = Self(Cow::Borrowed("READ_VOLUME"));
    /// Writing files of volumes.
    pub const WRITE_VOLUME: Self = Self(Cow::Borrowed("WRITE_VOLUME"));
    /// Making schemas.
    pub const CREATE_SCHEMA: Self = Self(Cow::Borrowed("CREATE_SCHEMA"));
    /// Making tables and views.
    pub const CREATE_TABLE: Self = Self(Cow::Borrowed("CREATE_TABLE"));
    /// Making volumes.
    pub const CREATE_VOLUME: Self = Self(Cow::Borrowed("CREATE_VOLUME"));
    /// Changing grants, owner and properties, and dropping.
    pub const MANAGE: Self = Self(Cow::Borrowed("MANAGE"));

    /// The privilege of this name; the spaces of SQL's spelling become the API's underscores.
    pub fn new(name: &str) -> Self {
        Self(Cow::Owned(name.trim().to_ascii_uppercase().replace(' ', "_")))
    }

    /// The API's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What somebody was granted on an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Grant {
    /// A user, a group or a service principal.
    pub principal: String,
    /// The privileges.
    #[serde(default)]
    pub privileges: Vec<Privilege>,
}

/// What somebody may do with an object, however he came by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EffectiveGrant {
    /// A user, a group or a service principal.
    pub principal: String,
    /// The privileges.
    #[serde(default)]
    pub privileges: Vec<EffectivePrivilege>,
}

/// A privilege, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EffectivePrivilege {
    /// The privilege.
    pub privilege: Privilege,
    /// The kind of the object that it was granted on, where that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inherited_from_type: Option<String>,
    /// The full name of that object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inherited_from_name: Option<String>,
}

/// A change of somebody's grants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GrantChange {
    /// A user, a group or a service principal.
    pub principal: String,
    /// What is granted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<Privilege>,
    /// What is revoked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<Privilege>,
}

impl GrantChange {
    /// No change yet of what this principal has.
    pub fn of(principal: impl Into<String>) -> Self {
        Self { principal: principal.into(), add: Vec::new(), remove: Vec::new() }
    }

    /// Grants these.
    pub fn grant(mut self, privileges: impl IntoIterator<Item = Privilege>) -> Self {
        self.add.extend(privileges);
        self
    }

    /// Revokes these.
    pub fn revoke(mut self, privileges: impl IntoIterator<Item = Privilege>) -> Self {
        self.remove.extend(privileges);
        self
    }
}

#[derive(Serialize)]
struct Changes<'a> {
    changes: &'a [GrantChange],
}

#[derive(Deserialize)]
struct Assignments {
    #[serde(default)]
    privilege_assignments: Vec<Grant>,
}

impl CatalogClient {
    /// What was granted on this very object.
    ///
    /// # Errors
    /// [`SchemaError::Transport`](crate::SchemaError::Transport): of kind `NotFound` when it is not there, `PermissionDenied` for who does not manage it.
    pub async fn grants(&self, object: &Securable) -> Result<Vec<Grant>> {
        self.all_grants(GET_GRANTS, object.path("permissions")).await
    }

    /// What everybody may do with the object, with what is inherited from its schema and catalog.
    ///
    /// # Errors
    /// As [`grants`](Self::grants).
    pub async fn effective_grants(&self, object: &Securable) -> Result<Vec<EffectiveGrant>> {
        self.all_grants(GET_EFFECTIVE, object.path("effective-permissions")).await
    }

    async fn all_grants<T>(&self, operation: Operation, path: String) -> Result<Vec<T>>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let page_size = if self.page_size == 0 { 0 } else { self.page_size.max(SMALLEST_PAGE) };
        let client = self.clone().with_page_size(page_size);
        client.list(operation, path, Vec::new()).try_collect().await
    }

    /// Changes grants on an object, all in one request, and answers those there are then.
    ///
    /// # Errors
    /// [`SchemaError::Transport`](crate::SchemaError::Transport): of kind `Invalid` for a privilege that the object does not know, else as
    /// [`grants`](Self::grants).
    pub async fn update_grants(&self, object: &Securable, changes: &[GrantChange]) -> Result<Vec<Grant>> {
        let request = ApiRequest::patch(object.path("permissions")).json(&Changes { changes })?;
        let Assignments { privilege_assignments } = self.client.call(UPDATE_GRANTS, request).await?;
        Ok(privilege_assignments)
    }
}
