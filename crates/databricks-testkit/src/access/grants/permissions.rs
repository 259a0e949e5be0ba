//! Unity Catalog's permissions API: who was granted what, and what that comes to.

use std::collections::BTreeMap;

use databricks_transport::Body;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::guard::require;
use super::{Grants, Inherited, Privilege, Securable, SecurableType};
use crate::api_error::{Answer, ApiFailure, json_response};
use crate::route::Call;
use crate::statements::read_json;

/// The object of a permissions path: `catalog` and `main`, `table` and `main.sales.orders`.
///
/// # Errors
/// 501 for kinds that are not simulated, 400 for a name with too few or too many parts.
pub(crate) fn securable(kind: &str, full_name: &str) -> Result<Securable, ApiFailure> {
    let parts: Vec<&str> = full_name.split('.').collect();
    match (kind.to_ascii_lowercase().as_str(), parts.as_slice()) {
        ("metastore", _) => Ok(Securable::metastore()),
        ("catalog", [catalog]) => Ok(Securable::catalog(catalog)),
        ("schema", [catalog, schema]) => Ok(Securable::schema(catalog, schema)),
        ("table", [catalog, schema, table]) => Ok(Securable::table(catalog, schema, table)),
        ("volume", [catalog, schema, volume]) => Ok(Securable::volume(catalog, schema, volume)),
        (known @ ("catalog" | "schema" | "table" | "volume"), _) => {
            Err(ApiFailure::invalid(format!("'{full_name}' is not the full name of a {known}.")))
        }
        (unknown, _) => {
            let message = format!("Permissions on a {unknown} are not simulated by databricks-testkit.");
            Err(ApiFailure::new(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message))
        }
    }
}

/// `GET /api/2.1/unity-catalog/permissions/{type}/{name}`: what was granted on this very object.
pub(crate) fn get(call: &Call<'_>, securable: &Securable) -> Answer {
    let principal = filter(call, securable)?;
    json_response(&assignments(&call.shared.access.grants, securable, principal))
}

/// `GET /api/2.1/unity-catalog/effective-permissions/{type}/{name}`: with what is inherited.
pub(crate) fn effective(call: &Call<'_>, securable: &Securable) -> Answer {
    let principal = filter(call, securable)?;
    let found = call.shared.access.grants.lock().effective(securable);
    let rows = found.into_iter().map(|(who, held)| (who, held.into_iter().map(effective_json).collect()));
    json_response(&answer(rows.collect(), principal))
}

#[derive(Deserialize)]
struct Changes {
    #[serde(default)]
    changes: Vec<Change>,
    #[serde(default)]
    omit_permissions_in_response: bool,
}

#[derive(Deserialize)]
struct Change {
    principal: Option<String>,
    #[serde(default)]
    add: Vec<String>,
    #[serde(default)]
    remove: Vec<String>,
}

/// `PATCH /api/2.1/unity-catalog/permissions/{type}/{name}`. All changes are checked before the first is made.
pub(crate) async fn update(call: &Call<'_>, securable: &Securable, body: Body) -> Answer {
    let Changes { changes, omit_permissions_in_response } = read_json(body).await?;
    require(call, Privilege::Manage, securable)?;
    let checked = changes.into_iter().map(|change| change.check(securable.kind()));
    let checked: Vec<(String, Vec<Privilege>, Vec<Privilege>)> = checked.collect::<Result<_, _>>()?;
    let grants = &call.shared.access.grants;
    for (principal, add, remove) in checked {
        grants.grant(&principal, securable, add);
        grants.revoke(&principal, securable, remove);
    }
    if omit_permissions_in_response {
        return json_response(&json!({}));
    }
    json_response(&assignments(grants, securable, None))
}

impl Change {
    fn check(self, kind: SecurableType) -> Result<(String, Vec<Privilege>, Vec<Privilege>), ApiFailure> {
        let Self { principal, add, remove } = self;
        let principal = principal.filter(|name| !name.is_empty());
        let principal = principal.ok_or_else(|| ApiFailure::invalid("A change names its principal."))?;
        let parse = |names: Vec<String>| names.iter().map(|name| parse(name, kind)).collect::<Result<_, _>>();
        Ok((principal, parse(add)?, parse(remove)?))
    }
}

fn parse(name: &str, kind: SecurableType) -> Result<Privilege, ApiFailure> {
    let known = Privilege::parse(name)
        .ok_or_else(|| ApiFailure::invalid(format!("'{name}' is not a privilege that is simulated.")))?;
    if !known.applies_to(kind) {
        let (name, kind) = (known.words(), kind.as_str());
        return Err(ApiFailure::invalid(format!(
            "Privilege {name} is not applicable to this entity [{kind}]."
        )));
    }
    Ok(known)
}

/// The principal asked for. All of them are shown to who manages the object, anybody sees his own.
fn filter<'a>(call: &'a Call<'_>, securable: &Securable) -> Result<Option<&'a str>, ApiFailure> {
    let principal = call.query.get("principal");
    if principal != Some(call.user) {
        require(call, Privilege::Manage, securable)?;
    }
    Ok(principal)
}

fn assignments(grants: &Grants, securable: &Securable, principal: Option<&str>) -> Value {
    let found = grants.lock().assignments(securable);
    let names = |held: Vec<Privilege>| held.into_iter().map(|privilege| json!(privilege.as_str())).collect();
    answer(found.into_iter().map(|(who, held)| (who, names(held))).collect(), principal)
}

fn effective_json(inherited: Inherited) -> Value {
    let Inherited { privilege, from } = inherited;
    match from {
        None => json!({ "privilege": privilege.as_str() }),
        Some(object) => json!({
            "privilege": privilege.as_str(),
            "inherited_from_type": object.kind().as_str(),
            "inherited_from_name": object.full_name(),
        }),
    }
}

/// An empty list leaves its field out, as all of Unity Catalog's lists do.
fn answer(rows: BTreeMap<String, Vec<Value>>, principal: Option<&str>) -> Value {
    let wanted = rows.into_iter().filter(|(who, _)| principal.is_none_or(|principal| principal == who));
    let rows: Vec<Value> =
        wanted.map(|(who, privileges)| json!({ "principal": who, "privileges": privileges })).collect();
    if rows.is_empty() { json!({}) } else { json!({ "privilege_assignments": rows }) }
}
