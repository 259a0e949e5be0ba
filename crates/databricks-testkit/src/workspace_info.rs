//! The small endpoints drivers ask beside their work: the current user, feature flags, telemetry.

use databricks_transport::Body;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use uuid::Uuid;

use crate::api_error::{Answer, json_response};
use crate::route::Call;
use crate::statements::read_json;

/// `GET /api/2.0/preview/scim/v2/Me`.
pub(crate) fn me(call: &Call<'_>) -> Answer {
    json_response(&json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": user_id(call.user),
        "userName": call.user,
        "displayName": call.user,
        "active": true,
        "emails": [{ "type": "work", "value": call.user, "primary": true }],
    }))
}

/// A number of its own for every user, the same in every run.
fn user_id(user: &str) -> String {
    let (high, _) = Uuid::new_v5(&Uuid::NAMESPACE_URL, user.as_bytes()).as_u64_pair();
    // Sixteen digits, as real ids have.
    (1_000_000_000_000_000 + high % 9_000_000_000_000_000).to_string()
}

/// `GET /api/2.0/connector-service/feature-flags/{driver}/{version}`: none.
pub(crate) fn feature_flags() -> Answer {
    json_response(&json!({ "flags": [], "ttl_seconds": 900 }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Telemetry {
    #[serde(default)]
    items: Vec<IgnoredAny>,
    proto_logs: Option<Vec<IgnoredAny>>,
}

/// `POST /telemetry-ext` and `/telemetry-unauth`: counts what came, and forgets it.
pub(crate) async fn telemetry(body: Body) -> Answer {
    let Telemetry { items, proto_logs } = read_json(body).await?;
    json_response(&json!({
        "errors": [],
        "numSuccess": items.len(),
        "numProtoSuccess": proto_logs.map_or(0, |logs| logs.len()),
    }))
}
