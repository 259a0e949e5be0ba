//! Making, changing and dropping.

use std::collections::BTreeMap;

use databricks_transport::Body;
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::names::securable;
use super::{failure, refuse};
use crate::access::{Privilege, Securable, guard};
use crate::api_error::{Answer, ApiFailure, json_response};
use crate::route::Call;
use crate::statements::read_json;
use crate::stores::{CatalogObject, NewCatalog, NewSchema, NewVolume, ObjectUpdate};

/// Reads the fields a handler knows. One it does not know would change the object in a way that is not simulated, so
/// it is refused by name; null says nothing.
async fn read_known<T: DeserializeOwned>(body: Body, known: &[&str]) -> Result<T, ApiFailure> {
    let mut fields: Map<String, Value> = read_json(body).await?;
    fields.retain(|_, value| !value.is_null());
    if let Some(unknown) = fields.keys().find(|field| !known.contains(&field.as_str())) {
        let message = format!("The field '{unknown}' is not simulated by databricks-testkit: leave it out.");
        return Err(ApiFailure::new(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message));
    }
    serde_json::from_value(Value::Object(fields)).map_err(|error| {
        let message = format!("Could not parse request object: {error}");
        ApiFailure::new(StatusCode::BAD_REQUEST, "MALFORMED_REQUEST", message)
    })
}

#[derive(Deserialize)]
struct CreateCatalog {
    name: String,
    comment: Option<String>,
    #[serde(default)]
    properties: BTreeMap<String, String>,
}

/// `POST /api/2.1/unity-catalog/catalogs`.
pub(super) async fn create_catalog(call: &Call<'_>, body: Body) -> Answer {
    let body = read_known(body, &["name", "comment", "properties"]).await?;
    let CreateCatalog { name, comment, properties } = body;
    guard::require(call, Privilege::CreateCatalog, &Securable::metastore())?;
    let (owner, created_at) = (call.user.to_owned(), call.shared.clock.now());
    let new = NewCatalog { name: name.clone(), comment, properties, owner, created_at };
    let made = call.shared.catalog.create_catalog(new).await.map_err(failure)?;
    own(call, &[Securable::catalog(&name), Securable::schema(&name, "default")]);
    json_response(&made)
}

#[derive(Deserialize)]
struct CreateSchema {
    catalog_name: String,
    name: String,
    comment: Option<String>,
    #[serde(default)]
    properties: BTreeMap<String, String>,
}

/// `POST /api/2.1/unity-catalog/schemas`.
pub(super) async fn create_schema(call: &Call<'_>, body: Body) -> Answer {
    let body = read_known(body, &["catalog_name", "name", "comment", "properties"]).await?;
    let CreateSchema { catalog_name: catalog, name, comment, properties } = body;
    let parent = Securable::catalog(&catalog);
    guard::require(call, Privilege::UseCatalog, &parent)?;
    guard::require(call, Privilege::CreateSchema, &parent)?;
    let (owner, created_at) = (call.user.to_owned(), call.shared.clock.now());
    let made = Securable::schema(&catalog, &name);
    let new = NewSchema { catalog, name, comment, properties, owner, created_at };
    let answer = call.shared.catalog.create_schema(new).await.map_err(failure)?;
    own(call, &[made]);
    json_response(&answer)
}

#[derive(Deserialize)]
struct CreateVolume {
    catalog_name: String,
    schema_name: String,
    name: String,
    volume_type: String,
    comment: Option<String>,
}

/// `POST /api/2.1/unity-catalog/volumes`.
pub(super) async fn create_volume(call: &Call<'_>, body: Body) -> Answer {
    let known = ["catalog_name", "schema_name", "name", "volume_type", "comment"];
    let CreateVolume { catalog_name, schema_name, name, volume_type, comment } =
        read_known(body, &known).await?;
    if volume_type != "MANAGED" {
        return Err(ApiFailure::invalid(format!(
            "volume_type '{volume_type}' is not simulated; use MANAGED."
        )));
    }
    let parent = Securable::schema(&catalog_name, &schema_name);
    guard::require(call, Privilege::UseSchema, &parent)?;
    guard::require(call, Privilege::CreateVolume, &parent)?;
    let (owner, made) = (call.user.to_owned(), Securable::volume(&catalog_name, &schema_name, &name));
    let created_at = Some(call.shared.clock.now());
    let volume = NewVolume { catalog: catalog_name, schema: schema_name, name, comment, owner, created_at };
    let answer = call.shared.catalog.create_volume(volume).await.map_err(failure)?;
    own(call, &[made]);
    json_response(&answer)
}

#[derive(Deserialize)]
struct CreateFunction {
    function_info: Map<String, Value>,
}

/// `POST /api/2.1/unity-catalog/functions`. The body of the function is kept, not run.
pub(super) async fn create_function(call: &Call<'_>, body: Body) -> Answer {
    let CreateFunction { mut function_info } = read_known(body, &["function_info"]).await?;
    for required in ["catalog_name", "schema_name", "name"] {
        if !function_info.get(required).is_some_and(Value::is_string) {
            return Err(ApiFailure::invalid(format!("function_info.{required} is required.")));
        }
    }
    let part = |key: &str| function_info[key].as_str().unwrap_or_default();
    let parent = Securable::schema(part("catalog_name"), part("schema_name"));
    guard::require(call, Privilege::UseSchema, &parent)?;
    guard::require(call, Privilege::CreateFunction, &parent)?;
    function_info.insert("owner".to_owned(), json!(call.user));
    function_info.insert("created_at".to_owned(), json!(call.shared.clock.now().timestamp_millis()));
    let made = call.shared.catalog.create_function(Value::Object(function_info)).await.map_err(failure)?;
    json_response(&made)
}

/// Who makes an object owns it.
fn own(call: &Call<'_>, made: &[Securable]) {
    for object in made {
        call.shared.access.grants.set_owner(object, call.user);
    }
}

#[derive(Deserialize)]
struct Update {
    comment: Option<String>,
    owner: Option<String>,
    properties: Option<BTreeMap<String, String>>,
}

/// `PATCH /api/2.1/unity-catalog/{kind}/{name}`.
pub(super) async fn update(call: &Call<'_>, object: CatalogObject<'_>, body: Body) -> Answer {
    let target = securable(object);
    if let Err(failure) = guard::require(call, Privilege::Manage, &target) {
        return refuse(body, failure).await;
    }
    let Update { comment, owner, properties } = read_known(body, updatable(object)).await?;
    if owner.as_deref() == Some("") {
        return Err(ApiFailure::invalid("The owner of an object is a user or a group, not an empty name."));
    }
    let (updated_by, updated_at) = (call.user.to_owned(), call.shared.clock.now());
    let update = ObjectUpdate { comment, owner: owner.clone(), properties, updated_by, updated_at };
    let info = call.shared.catalog.update(object, update).await.map_err(failure)?;
    if let Some(owner) = owner {
        call.shared.access.grants.set_owner(&target, &owner);
    }
    json_response(&info)
}

/// What of an object may be changed here.
fn updatable(object: CatalogObject<'_>) -> &'static [&'static str] {
    match object {
        CatalogObject::Catalog(..) | CatalogObject::Schema(..) => &["comment", "owner", "properties"],
        CatalogObject::Table(..) => &["owner"],
        CatalogObject::Volume(..) => &["comment", "owner"],
        CatalogObject::Function(..) => &["owner"],
    }
}

/// `DELETE /api/2.1/unity-catalog/{kind}/{name}`.
pub(super) async fn delete(call: &Call<'_>, object: CatalogObject<'_>) -> Answer {
    let (store, target) = (&call.shared.catalog, securable(object));
    guard::require(call, Privilege::Manage, &target)?;
    let force = call.query.flag("force")?;
    let dropped = match object {
        CatalogObject::Catalog(catalog) => store.delete_catalog(catalog, force).await,
        CatalogObject::Schema(catalog, schema) => store.delete_schema(catalog, schema, force).await,
        CatalogObject::Table(catalog, schema, table) => store.delete_table(catalog, schema, table).await,
        CatalogObject::Volume(catalog, schema, volume) => store.delete_volume(catalog, schema, volume).await,
        CatalogObject::Function(catalog, schema, name) => store.delete_function(catalog, schema, name).await,
    };
    dropped.map_err(failure)?;
    // A function's grants are its schema's, which stays.
    if !matches!(object, CatalogObject::Function(..)) {
        call.shared.access.grants.forget(&target);
    }
    json_response(&json!({}))
}
