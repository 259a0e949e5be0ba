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
use crate::stores::{CatalogError, CatalogObject};

/// `GET /api/2.1/unity-catalog/{catalogs|schemas|tables|volumes|functions}`.
pub(super) async fn list(call: &Call<'_>, kind: &str) -> Answer {
    let (store, query) = (&call.shared.catalog, &call.query);
    let within = || Ok::<_, ApiFailure>((query.required("catalog_name")?, query.required("schema_name")?));
    let objects = match kind {
        "catalogs" => store.list_catalogs().await,
        "schemas" => store.list_schemas(query.required("catalog_name")?).await,
        "tables" => tables(call).await?,
        "functions" => {
            let (catalog, schema) = within()?;
            store.list_functions(catalog, schema).await
        }
        _ => {
            let (catalog, schema) = within()?;
            store.list_volumes(catalog, schema).await
        }
    };
    let objects = objects.map_err(failure)?.into_iter().filter(|object| is_visible(call, kind, object));
    page(call, kind, "name", objects.collect(), usize::MAX)
}

/// The tables of a schema; where all of them are seen, no more than a page needs.
async fn tables(call: &Call<'_>) -> Result<Result<Vec<Value>, CatalogError>, ApiFailure> {
    let (store, query) = (&call.shared.catalog, &call.query);
    let (catalog, schema) = (query.required("catalog_name")?, query.required("schema_name")?);
    let place = place(call)?;
    let size = query.number("max_results")?.filter(|&n| n > 0);
    let tables = match size.filter(|_| !call.shared.access.grants.is_enforced()) {
        Some(size) => {
            let after = place.as_ref().map(|place| place.after.as_str());
            store.list_tables_after(catalog, schema, after, size.saturating_add(1)).await
        }
        None => store.list_tables(catalog, schema).await,
    };
    let without_columns = query.flag("omit_columns")?;
    Ok(tables.map(
        |tables| {
            if without_columns { tables.into_iter().map(drop_columns).collect() } else { tables }
        },
    ))
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
/// leaves its field out. Between two pages come as many empty ones, with a token, as the workspace was told.
pub(super) fn page(call: &Call<'_>, field: &str, key: &str, objects: Vec<Value>, most: usize) -> Answer {
    let place = place(call)?;
    let mut answer = Map::new();
    if let Some(Place { empty, after }) = place.as_ref().filter(|place| place.empty > 0) {
        let next = Place { empty: empty - 1, after: after.clone() };
        answer.insert("next_page_token".to_owned(), json!(next.encode()));
        return json_response(&answer);
    }
    let after = place.as_ref().map(|place| place.after.as_str());
    let start = objects.partition_point(|object| after.is_some_and(|after| text(object, key) <= after));
    let mut rest = objects.into_iter().skip(start);
    let size = call.query.number("max_results")?.filter(|&n| n > 0).unwrap_or(most).min(most);
    let page: Vec<Value> = rest.by_ref().take(size).collect();
    if let (Some(last), true) = (page.last(), rest.next().is_some()) {
        let next = Place { empty: call.shared.empty_pages, after: text(last, key).to_owned() };
        answer.insert("next_page_token".to_owned(), json!(next.encode()));
    }
    if !page.is_empty() {
        answer.insert(field.to_owned(), json!(page));
    }
    json_response(&answer)
}

fn place(call: &Call<'_>) -> Result<Option<Place>, ApiFailure> {
    call.query.get("page_token").map(Place::decode).transpose()
}

/// Where a list goes on.
struct Place {
    /// Empty pages that come first.
    empty: usize,
    /// The key of the object before.
    after: String,
}

impl Place {
    fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}:{}", self.empty, self.after))
    }

    fn decode(token: &str) -> Result<Self, ApiFailure> {
        let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let parts = text.as_deref().and_then(|text| text.split_once(':'));
        let place = parts
            .and_then(|(empty, after)| Some(Self { empty: empty.parse().ok()?, after: after.to_owned() }));
        place.ok_or_else(|| ApiFailure::invalid(format!("'{token}' is not a page token of this workspace.")))
    }
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
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
        CatalogObject::Function(catalog, schema, name) => store.get_function(catalog, schema, name).await,
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
