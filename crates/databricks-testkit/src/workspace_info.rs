//! The small read-only endpoints: warehouses, the current user, feature flags.

use serde_json::{Value, json};

use crate::api_error::{Answer, ApiFailure, json_response};
use crate::route::Call;

/// `GET /api/2.0/sql/warehouses`.
pub(crate) fn warehouses(call: &Call<'_>) -> Answer {
    let warehouses: Vec<Value> =
        call.shared.warehouses.iter().map(|id| warehouse_info(id, call.user)).collect();
    json_response(&json!({ "warehouses": warehouses }))
}

/// `GET /api/2.0/sql/warehouses/{id}`.
pub(crate) fn warehouse(call: &Call<'_>, id: &str) -> Answer {
    known_warehouse(call, id)?;
    json_response(&warehouse_info(id, call.user))
}

/// Succeeds for a warehouse of this workspace.
///
/// Ids of the wrong form and ids of the right form that nobody has are refused in different words, as the service does.
pub(crate) fn known_warehouse(call: &Call<'_>, id: &str) -> Result<(), ApiFailure> {
    if call.shared.warehouses.iter().any(|known| known == id) {
        return Ok(());
    }
    let well_formed = id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit());
    Err(if well_formed {
        ApiFailure::not_found(format!("SQL warehouse {id} does not exist."))
    } else {
        ApiFailure::invalid(format!("{id} is not a valid endpoint id."))
    })
}

fn warehouse_info(id: &str, user: &str) -> Value {
    json!({
        "id": id,
        "name": format!("Simulated warehouse {id}"),
        "state": "RUNNING",
        "cluster_size": "2X-Small",
        "min_num_clusters": 1,
        "max_num_clusters": 1,
        "num_clusters": 1,
        "auto_stop_mins": 10,
        "warehouse_type": "PRO",
        "enable_serverless_compute": true,
        "creator_name": user,
    })
}

/// `GET /api/2.0/preview/scim/v2/Me`.
pub(crate) fn me(call: &Call<'_>) -> Answer {
    json_response(&json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": "1",
        "userName": call.user,
        "displayName": call.user,
        "active": true,
        "emails": [{ "type": "work", "value": call.user, "primary": true }],
    }))
}

/// `GET /api/2.0/connector-service/feature-flags/{driver}/{version}`: none.
pub(crate) fn feature_flags() -> Answer {
    json_response(&json!({ "flags": [], "ttl_seconds": 900 }))
}
