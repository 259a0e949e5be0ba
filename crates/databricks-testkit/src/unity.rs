//! Unity Catalog's REST API: lists and gets, and the life of volumes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use databricks_transport::Body;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api_error::{Answer, ApiFailure, json_response};
use crate::files::drain;
use crate::route::{Call, not_simulated};
use crate::statements::read_json;
use crate::stores::{CatalogError, NewVolume};

/// The domain of Unity Catalog's `ErrorInfo`.
const DOMAIN: &str = "unity-catalog.databricks.com";

/// Answers a call below `/api/2.1/unity-catalog/`; `path` holds the decoded segments that follow.
pub(crate) async fn handle(call: &Call<'_>, method: &str, path: &[&str], body: Body) -> Answer {
    match (method, path) {
        ("GET", [kind]) if matches!(*kind, "catalogs" | "schemas" | "tables" | "volumes") => {
            list(call, kind).await
        }
        ("GET", ["tables", name, "exists"]) => table_exists(call, name).await,
        ("GET", [kind, name]) if matches!(*kind, "catalogs" | "schemas" | "tables" | "volumes") => {
            json_response(&get(call, kind, name).await?)
        }
        ("POST", ["volumes"]) => create_volume(call, body).await,
        ("DELETE", ["volumes", name]) => delete_volume(call, name).await,
        (method, path) => {
            drain(body).await;
            Err(not_simulated(method, &format!("/api/2.1/unity-catalog/{}", path.join("/"))))
        }
    }
}

async fn list(call: &Call<'_>, kind: &str) -> Answer {
    let (store, query) = (&call.shared.catalog, &call.query);
    let objects =
        match kind {
            "catalogs" => store.list_catalogs().await,
            "schemas" => store.list_schemas(query.required("catalog_name")?).await,
            "tables" => {
                let tables =
                    store.list_tables(query.required("catalog_name")?, query.required("schema_name")?).await;
                let without_columns = query.flag("omit_columns")?;
                tables.map(|tables| {
                    if without_columns { tables.into_iter().map(drop_columns).collect() } else { tables }
                })
            }
            _ => store.list_volumes(query.required("catalog_name")?, query.required("schema_name")?).await,
        };
    page(call, kind, objects.map_err(failure)?)
}

fn drop_columns(mut table: Value) -> Value {
    if let Some(object) = table.as_object_mut() {
        object.remove("columns");
    }
    table
}

/// One page of a complete list. Without `max_results` everything comes at once, as the service does; an empty list
/// leaves its field out.
fn page(call: &Call<'_>, kind: &str, objects: Vec<Value>) -> Answer {
    let after = call.query.get("page_token").map(decode_token).transpose()?;
    let mut rest =
        objects.into_iter().filter(|object| after.as_deref().is_none_or(|after| name_of(object) > after));
    let size = call.query.number("max_results")?.filter(|&n| n > 0).unwrap_or(usize::MAX);
    let page: Vec<Value> = rest.by_ref().take(size).collect();
    let mut answer = Map::new();
    if let (Some(last), true) = (page.last(), rest.next().is_some()) {
        answer.insert("next_page_token".to_owned(), json!(URL_SAFE_NO_PAD.encode(name_of(last))));
    }
    if !page.is_empty() {
        answer.insert(kind.to_owned(), json!(page));
    }
    json_response(&answer)
}

fn name_of(object: &Value) -> &str {
    object.get("name").and_then(Value::as_str).unwrap_or_default()
}

fn decode_token(token: &str) -> Result<String, ApiFailure> {
    let name = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(|| ApiFailure::invalid(format!("'{token}' is not a page token of this workspace.")))
}

async fn get(call: &Call<'_>, kind: &str, name: &str) -> Result<Value, ApiFailure> {
    let store = &call.shared.catalog;
    let object = match (kind, name.split('.').collect::<Vec<_>>().as_slice()) {
        ("catalogs", [catalog]) => store.get_catalog(catalog).await,
        ("schemas", [catalog, schema]) => store.get_schema(catalog, schema).await,
        ("tables", [catalog, schema, table]) => store.get_table(catalog, schema, table).await,
        ("volumes", [catalog, schema, volume]) => store.get_volume(catalog, schema, volume).await,
        _ => return Err(ApiFailure::invalid(format!("'{name}' is not the full name of one of the {kind}."))),
    };
    object.map_err(failure)
}

async fn table_exists(call: &Call<'_>, name: &str) -> Answer {
    match get(call, "tables", name).await {
        Ok(_) => json_response(&json!({ "table_exists": true })),
        Err(failure) if failure.status() == StatusCode::NOT_FOUND => {
            json_response(&json!({ "table_exists": false }))
        }
        Err(failure) => Err(failure),
    }
}

#[derive(Deserialize)]
struct CreateVolume {
    catalog_name: String,
    schema_name: String,
    name: String,
    volume_type: String,
    comment: Option<String>,
}

async fn create_volume(call: &Call<'_>, body: Body) -> Answer {
    let CreateVolume { catalog_name, schema_name, name, volume_type, comment } = read_json(body).await?;
    if volume_type != "MANAGED" {
        return Err(ApiFailure::invalid(format!(
            "volume_type '{volume_type}' is not simulated; use MANAGED."
        )));
    }
    let owner = call.user.to_owned();
    let volume = NewVolume { catalog: catalog_name, schema: schema_name, name, comment, owner };
    json_response(&call.shared.catalog.create_volume(volume).await.map_err(failure)?)
}

async fn delete_volume(call: &Call<'_>, name: &str) -> Answer {
    let parts: Vec<&str> = name.split('.').collect();
    let [catalog, schema, volume] = parts.as_slice() else {
        return Err(ApiFailure::invalid(format!("'{name}' is not the full name of a volume.")));
    };
    call.shared.catalog.delete_volume(catalog, schema, volume).await.map_err(failure)?;
    json_response(&json!({}))
}

/// A store's refusal in Unity Catalog's words.
fn failure(error: CatalogError) -> ApiFailure {
    let (status, code) = match &error {
        CatalogError::CatalogNotFound(_) => (StatusCode::NOT_FOUND, "CATALOG_DOES_NOT_EXIST".to_owned()),
        CatalogError::SchemaNotFound(_) => (StatusCode::NOT_FOUND, "SCHEMA_DOES_NOT_EXIST".to_owned()),
        CatalogError::TableNotFound(_) => (StatusCode::NOT_FOUND, "TABLE_DOES_NOT_EXIST".to_owned()),
        CatalogError::VolumeNotFound(_) => (StatusCode::NOT_FOUND, "VOLUME_DOES_NOT_EXIST".to_owned()),
        CatalogError::AlreadyExists { kind, .. } => {
            (StatusCode::BAD_REQUEST, format!("{}_ALREADY_EXISTS", kind.to_ascii_uppercase()))
        }
        CatalogError::Invalid(_) => (StatusCode::BAD_REQUEST, "INVALID_PARAMETER_VALUE".to_owned()),
        CatalogError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR".to_owned()),
    };
    ApiFailure::new(status, &code, error.to_string()).reason(&code, DOMAIN)
}
