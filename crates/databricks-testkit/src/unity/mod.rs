//! Unity Catalog's REST API: catalogs, schemas, tables, volumes and functions, the permissions on them, and temporary
//! credentials for what they store.

mod credentials;
mod names;
mod read;
mod summaries;
mod write;

use databricks_transport::Body;
use http::StatusCode;

use crate::access::{Securable, permissions};
use crate::api_error::{Answer, ApiFailure, json_response};
use crate::files::drain;
use crate::route::{Call, not_simulated};
use crate::stores::CatalogError;
use names::parse;

/// The domain of Unity Catalog's `ErrorInfo`.
const DOMAIN: &str = "unity-catalog.databricks.com";

/// Answers a call below `/api/2.1/unity-catalog/`; `path` holds the decoded segments that follow.
pub(crate) async fn handle(call: &Call<'_>, method: &str, path: &[&str], body: Body) -> Answer {
    match (method, path) {
        ("POST", ["catalogs"]) => write::create_catalog(call, body).await,
        ("POST", ["schemas"]) => write::create_schema(call, body).await,
        ("POST", ["volumes"]) => write::create_volume(call, body).await,
        ("POST", ["functions"]) => write::create_function(call, body).await,
        ("POST", ["temporary-table-credentials"]) => credentials::of_table(call, body).await,
        ("POST", ["temporary-path-credentials"]) => credentials::of_path(call, body).await,
        ("PATCH", ["permissions", kind, name]) => match existing(call, kind, name).await {
            Ok(object) => permissions::update(call, &object, body).await,
            Err(failure) => refuse(body, failure).await,
        },
        ("PATCH", [kind @ ("catalogs" | "schemas" | "tables" | "volumes" | "functions"), name]) => {
            match parse(kind, name) {
                Ok(object) => write::update(call, object, body).await,
                Err(failure) => refuse(body, failure).await,
            }
        }
        (method, path) => {
            drain(body).await;
            without_body(call, method, path).await
        }
    }
}

async fn without_body(call: &Call<'_>, method: &str, path: &[&str]) -> Answer {
    match (method, path) {
        ("GET", ["table-summaries"]) => summaries::list(call).await,
        ("GET", ["tables", name, "exists"]) => read::table_exists(call, parse("tables", name)?).await,
        ("GET", ["permissions", kind, name]) => permissions::get(call, &existing(call, kind, name).await?),
        ("GET", ["effective-permissions", kind, name]) => {
            permissions::effective(call, &existing(call, kind, name).await?)
        }
        ("GET", [kind @ ("catalogs" | "schemas" | "tables" | "volumes" | "functions")]) => {
            read::list(call, kind).await
        }
        ("GET", [kind @ ("catalogs" | "schemas" | "tables" | "volumes" | "functions"), name]) => {
            json_response(&read::get(call, parse(kind, name)?).await?)
        }
        ("DELETE", [kind @ ("catalogs" | "schemas" | "tables" | "volumes" | "functions"), name]) => {
            write::delete(call, parse(kind, name)?).await
        }
        (method, path) => Err(not_simulated(method, &format!("/api/2.1/unity-catalog/{}", path.join("/")))),
    }
}

/// Lets a client that is still sending get its refusal.
async fn refuse(body: Body, failure: ApiFailure) -> Answer {
    drain(body).await;
    Err(failure)
}

/// The object of a permissions call, which must be there.
async fn existing(call: &Call<'_>, kind: &str, name: &str) -> Result<Securable, ApiFailure> {
    let securable = permissions::securable(kind, name)?;
    if let Some(object) = names::object_of(kind, name) {
        read::fetch(call, object).await?;
    }
    Ok(securable)
}

/// A store's refusal in Unity Catalog's words.
fn failure(error: CatalogError) -> ApiFailure {
    let (status, code) = match &error {
        CatalogError::CatalogNotFound(_) => (StatusCode::NOT_FOUND, "CATALOG_DOES_NOT_EXIST".to_owned()),
        CatalogError::SchemaNotFound(_) => (StatusCode::NOT_FOUND, "SCHEMA_DOES_NOT_EXIST".to_owned()),
        CatalogError::TableNotFound(_) => (StatusCode::NOT_FOUND, "TABLE_DOES_NOT_EXIST".to_owned()),
        CatalogError::VolumeNotFound(_) => (StatusCode::NOT_FOUND, "VOLUME_DOES_NOT_EXIST".to_owned()),
        CatalogError::FunctionNotFound(_) => (StatusCode::NOT_FOUND, "FUNCTION_DOES_NOT_EXIST".to_owned()),
        CatalogError::AlreadyExists { kind, .. } => {
            (StatusCode::BAD_REQUEST, format!("{}_ALREADY_EXISTS", kind.to_ascii_uppercase()))
        }
        CatalogError::NotEmpty { kind, .. } => {
            (StatusCode::BAD_REQUEST, format!("{}_NOT_EMPTY", kind.to_ascii_uppercase()))
        }
        CatalogError::NotSimulated(_) => (StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED".to_owned()),
        CatalogError::Invalid(_) => (StatusCode::BAD_REQUEST, "INVALID_PARAMETER_VALUE".to_owned()),
        CatalogError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR".to_owned()),
    };
    ApiFailure::new(status, &code, error.to_string()).reason(&code, DOMAIN)
}
