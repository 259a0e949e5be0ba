//! Lists and gets. A list leaves out what the caller may not see; a get says what is missing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::failure;
use super::names::{object_of, read_privilege, securable};
use crate::access::guard;
use crate::api_error::{Answer, ApiFailure, json_response};
use crate::route::Call;
use crate::stores::CatalogObject;

/// `GET /api/2.1/unity-catalog/{catalogs|schemas|tables|volumes}`.
pub(super) async fn list(call: &Call<'_>, kind: &str) -> Answer {
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
    let objects = objects.map_err(failure)?.into_iter().filter(|object| is_visible(call, kind, object));
    page(call, kind, "name", objects.collect(), usize::MAX)
}

fn drop_columns(mut table: Value) -> Value {
    if let Some(object) = table.as_object_mut() {
        object.remove("columns");
    }
    table
}

/// Whether the caller may see an object of a list.
pub(super) fn is_visible(call: &Call<'_>, kind: &str, object: &Value) -> bool {
    if !call.shared.access.grants.is_enforced() {
        return true;
    }
    let name = text(object, if kind == "catalogs" { "name" } else { "full_name" });
    object_of(kind.trim_end_matches('s'), name).is_some_and(|object| guard::sees(call, &securable(object)))
}

/// One page of a complete list that is sorted by `key`. Without `max_results` `most` come at once; an empty list
/// leaves its field out.
pub(super) fn page(call: &Call<'_>, field: &str, key: &str, objects: Vec<Value>, most: usize) -> Answer {
    let after = call.query.get("page_token").map(decode_token).transpose()?;
    let mut rest =
        objects.into_iter().filter(|object| after.as_deref().is_none_or(|after| text(object, key) > after));
    let size = call.query.number("max_results")?.filter(|&n| n > 0).unwrap_or(most).min(most);
    let page: Vec<Value> = rest.by_ref().take(size).collect();
    let mut answer = Map::new();
    if let (Some(last), true) = (page.last(), rest.next().is_some()) {
        answer.insert("next_page_token".to_owned(), json!(URL_SAFE_NO_PAD.encode(text(last, key))));
    }
    if !page.is_empty() {
        answer.insert(field.to_owned(), json!(page));
    }
    json_response(&answer)
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn decode_token(token: &str) -> Result<String, ApiFailure> {
    let name = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(|| ApiFailure::invalid(format!("'{token}' is not a page token of this workspace.")))
}

/// An object that the caller may see.
pub(super) async fn get(call: &Call<'_>, object: CatalogObject<'_>) -> Result<Value, ApiFailure> {
    guard::require_sight(call, read_privilege(object), &securable(object))?;
    fetch(call, object).await
}

/// An object as the store has it.
pub(super) async fn fetch(call: &Call<'_>, object: CatalogObject<'_>) -> Result<Value, ApiFailure> {
    let store = &call.shared.catalog;
    let found = match object {
        CatalogObject::Catalog(catalog) => store.get_catalog(catalog).await,
        CatalogObject::Schema(catalog, schema) => store.get_schema(catalog, schema).await,
        CatalogObject::Table(catalog, schema, table) => store.get_table(catalog, schema, table).await,
        CatalogObject::Volume(catalog, schema, volume) => store.get_volume(catalog, schema, volume).await,
    };
    found.map_err(failure)
}

/// `GET /api/2.1/unity-catalog/tables/{name}/exists`.
pub(super) async fn table_exists(call: &Call<'_>, table: CatalogObject<'_>) -> Answer {
    match get(call, table).await {
        Ok(_) => json_response(&json!({ "table_exists": true })),
        Err(failure) if failure.status() == StatusCode::NOT_FOUND => {
            json_response(&json!({ "table_exists": false }))
        }
        Err(failure) => Err(failure),
    }
}
