//! The checks handlers make, and refusals in the service's words.

use http::StatusCode;
use serde_json::json;

use super::{PermissionDenied, Privilege, Securable, SecurableType};
use crate::api_error::ApiFailure;
use crate::route::{Call, decode};
use crate::stores::VolumePath;

/// The domain of Unity Catalog's `ErrorInfo`.
const DOMAIN: &str = "unity-catalog.databricks.com";

/// Succeeds when the caller has a privilege on an object.
pub(crate) fn require(
    call: &Call<'_>,
    privilege: Privilege,
    securable: &Securable,
) -> Result<(), ApiFailure> {
    call.shared.access.grants.check(call.user, privilege, securable).map_err(|denied| refusal(&denied))
}

/// Succeeds when the caller may see that an object is there; what it takes to read it is named otherwise.
pub(crate) fn require_sight(
    call: &Call<'_>,
    privilege: Privilege,
    securable: &Securable,
) -> Result<(), ApiFailure> {
    if sees(call, securable) { Ok(()) } else { require(call, privilege, securable) }
}

/// Whether the caller may see that an object is there.
pub(crate) fn sees(call: &Call<'_>, securable: &Securable) -> bool {
    call.shared.access.grants.can_see(call.user, securable)
}

/// Checks a Files API call on a path, before anything of it is done: reading needs READ VOLUME, anything else WRITE
/// VOLUME.
///
/// Calls that name their volume elsewhere than in their own path check it themselves, with [`volume`].
/// A path that is none is left to the handler, which has the words for it.
pub(crate) fn files(call: &Call<'_>, method: &str, rest: &str) -> Result<(), ApiFailure> {
    if !call.shared.access.grants.is_enforced() {
        return Ok(());
    }
    let path = rest.strip_prefix("files/").or_else(|| rest.strip_prefix("directories/"));
    let Some(Ok(path)) = path.map(decode) else { return Ok(()) };
    match VolumePath::parse(&format!("/{path}")) {
        Ok(path) => volume(call, matches!(method, "GET" | "HEAD"), &path),
        Err(_) => Ok(()),
    }
}

/// Succeeds when the caller may read, or else write, the files of a path's volume.
pub(crate) fn volume(call: &Call<'_>, reading: bool, path: &VolumePath) -> Result<(), ApiFailure> {
    let privilege = if reading { Privilege::ReadVolume } else { Privilege::WriteVolume };
    require(call, privilege, &Securable::volume(path.catalog(), path.schema(), path.volume()))
}

fn refusal(denied: &PermissionDenied) -> ApiFailure {
    let PermissionDenied { user, privilege, securable } = denied;
    if securable.kind() == SecurableType::Warehouse {
        let message = format!("{user} is not authorized to use or monitor this SQL Endpoint.");
        return ApiFailure::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message);
    }
    let metadata = json!({
        "principalName": "User",
        "msg": privilege.words(),
        "resourceType": securable.kind().word(),
        "resourceName": securable.full_name(),
    });
    ApiFailure::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", denied.to_string()).reason_with(
        "PERMISSION_DENIED",
        DOMAIN,
        metadata,
    )
}
