//! Temporary credentials for the files of tables and for paths. The keys are made up: only the buckets here take them.

use std::time::Duration;

use databricks_transport::Body;
use serde::Deserialize;
use serde_json::{Value, json};

use super::failure;
use crate::access::{Privilege, Securable, guard};
use crate::api_error::{Answer, ApiFailure, json_response};
use crate::route::Call;
use crate::statements::read_json;

/// How long they work.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

#[derive(Deserialize)]
struct OfTable {
    table_id: String,
    operation: String,
}

/// `POST /api/2.1/unity-catalog/temporary-table-credentials`.
pub(super) async fn of_table(call: &Call<'_>, body: Body) -> Answer {
    let OfTable { table_id, operation } = read_json(body).await?;
    let table = find(call, &table_id).await?;
    let text = |key: &str| table.get(key).and_then(Value::as_str).unwrap_or_default();
    let privilege = match operation.as_str() {
        "READ" => Privilege::Select,
        "READ_WRITE" => Privilege::Modify,
        other => return Err(ApiFailure::invalid(format!("operation '{other}' is not READ or READ_WRITE."))),
    };
    let (catalog, schema) = (text("catalog_name"), text("schema_name"));
    guard::require(call, Privilege::ExternalUseSchema, &Securable::schema(catalog, schema))?;
    guard::require(call, privilege, &Securable::table(catalog, schema, text("name")))?;
    answer(call, text("storage_location"))
}

#[derive(Deserialize)]
struct OfPath {
    url: String,
    operation: String,
}

/// `POST /api/2.1/unity-catalog/temporary-path-credentials`.
pub(super) async fn of_path(call: &Call<'_>, body: Body) -> Answer {
    let OfPath { url, operation } = read_json(body).await?;
    if !matches!(operation.as_str(), "PATH_READ" | "PATH_READ_WRITE" | "PATH_CREATE_TABLE") {
        let known = "PATH_READ, PATH_READ_WRITE or PATH_CREATE_TABLE";
        return Err(ApiFailure::invalid(format!("operation '{operation}' is not {known}.")));
    }
    if !url.contains("://") {
        return Err(ApiFailure::invalid(format!("'{url}' is not the URL of a path in cloud storage.")));
    }
    // External locations have no grants here: only who manages the metastore may ask where grants are enforced.
    guard::require(call, Privilege::CreateCatalog, &Securable::metastore())?;
    answer(call, &url)
}

fn answer(call: &Call<'_>, url: &str) -> Answer {
    let key = |kind: &str| format!("simulated-{kind}-{}", call.shared.ids.next());
    let until = call.shared.clock.now() + LIFETIME;
    let (id, token) = (key("id"), key("token"));
    call.shared.buckets.keys.give(id.clone(), token.clone(), url, until);
    json_response(&json!({
        "url": url,
        "expiration_time": until.timestamp_millis(),
        "aws_temp_credentials": {
            "access_key_id": id,
            "secret_access_key": key("key"),
            "session_token": token,
        },
    }))
}

/// The table of this id.
async fn find(call: &Call<'_>, id: &str) -> Result<Value, ApiFailure> {
    let store = &call.shared.catalog;
    let names = |objects: Vec<Value>| -> Vec<String> {
        objects.iter().filter_map(|object| object.get("name")?.as_str().map(str::to_owned)).collect()
    };
    for catalog in names(store.list_catalogs().await.map_err(failure)?) {
        for schema in names(store.list_schemas(&catalog).await.map_err(failure)?) {
            let tables = store.list_tables(&catalog, &schema).await.map_err(failure)?;
            let found =
                tables.into_iter().find(|table| table.get("table_id").and_then(Value::as_str) == Some(id));
            if let Some(table) = found {
                return Ok(table);
            }
        }
    }
    Err(failure(crate::stores::CatalogError::TableNotFound(id.to_owned())))
}
