//! Who may do what with a job. It is kept and given back; jobs stay their user's own all the same.

use databricks_transport::Body;
use serde_json::{Map, Value, json};

use super::core::Core;
use super::fields::wrong;
use super::plan_read as read;
use crate::api_error::{Answer, ApiFailure, json_response};
use crate::files::drain;
use crate::route::{Call, not_simulated};
use crate::statements::read_json;

/// Who an entry is about: one of these fields.
const PRINCIPALS: [&str; 3] = ["user_name", "group_name", "service_principal_name"];

/// The levels and what they allow.
const LEVELS: [(&str, &str); 4] = [
    ("CAN_VIEW", "Can view the job, its runs and their results."),
    ("CAN_MANAGE_RUN", "Can also start and cancel runs."),
    ("CAN_MANAGE", "Can also change and delete the job."),
    ("IS_OWNER", "Is the owner of the job."),
];

/// What somebody was given: field, name and level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    field: &'static str,
    name: String,
    level: &'static str,
}

impl Given {
    /// Whether it is something that the job's user has not anyway.
    pub(super) fn is_not_owner(&self) -> bool {
        self.level != "IS_OWNER"
    }
}

/// Answers a call below `/api/2.0/permissions/jobs/`.
pub(crate) async fn handle(call: &Call<'_>, method: &str, path: &[&str], body: Body) -> Answer {
    let core = call.shared.jobs.core();
    let [job_id, rest @ ..] = path else { return Err(not_simulated(method, "/api/2.0/permissions/jobs")) };
    let job_id: i64 = job_id
        .parse()
        .map_err(|_| ApiFailure::invalid(format!("The job's id is a whole number, not '{job_id}'.")))?;
    match (method, rest) {
        ("GET", []) => show(core, call.user, job_id),
        ("GET", ["permissionLevels"]) => {
            core.lock().job_of(call.user, job_id)?;
            let levels =
                LEVELS.map(|(level, about)| json!({ "permission_level": level, "description": about }));
            json_response(&json!({ "permission_levels": levels }))
        }
        ("PUT", []) => change(core, call.user, job_id, read_json(body).await?, true),
        ("PATCH", []) => change(core, call.user, job_id, read_json(body).await?, false),
        (method, _) => {
            drain(body).await;
            Err(not_simulated(method, &format!("/api/2.0/permissions/jobs/{}", path.join("/"))))
        }
    }
}

fn change(core: &Core, user: &str, job_id: i64, body: Map<String, Value>, anew: bool) -> Answer {
    let wanted = entries(&body, user)?;
    if anew && wanted.iter().all(Given::is_not_owner) {
        return Err(ApiFailure::invalid("The job must have exactly one owner."));
    }
    let mut state = core.lock();
    state.job_of(user, job_id)?;
    if let Some(job) = state.jobs.get_mut(&job_id) {
        if anew {
            job.access.clear();
        }
        for given in wanted.into_iter().filter(Given::is_not_owner) {
            job.access.retain(|known| (known.field, &known.name) != (given.field, &given.name));
            job.access.push(given);
        }
    }
    drop(state);
    show(core, user, job_id)
}

/// The entries of an `access_control_list`.
///
/// # Errors
/// 400 for what names nobody or no level, and for another owner than the job's user.
pub(super) fn entries(body: &Map<String, Value>, user: &str) -> Result<Vec<Given>, ApiFailure> {
    read::list(body, "access_control_list")?.iter().map(|entry| given(entry, user)).collect()
}

fn given(entry: &Value, user: &str) -> Result<Given, ApiFailure> {
    let named = |field: &'static str| Some((field, entry.get(field)?.as_str()?));
    let mut names = PRINCIPALS.into_iter().filter_map(named);
    let (Some((field, name)), None) = (names.next(), names.next()) else {
        return Err(wrong("access_control_list", "a list of entries with one name each", entry));
    };
    let level = entry.get("permission_level").and_then(Value::as_str).unwrap_or_default();
    let Some((level, _)) = LEVELS.into_iter().find(|(known, _)| *known == level) else {
        return Err(ApiFailure::invalid(format!("'{level}' is no permission level of a job.")));
    };
    if level == "IS_OWNER" && (field, name) != ("user_name", user) {
        return Err(ApiFailure::invalid(format!(
            "The owner '{name}' is not simulated: jobs are their user's own, and this one is {user}'s."
        )));
    }
    Ok(Given { field, name: name.to_owned(), level })
}

fn show(core: &Core, user: &str, job_id: i64) -> Answer {
    let state = core.lock();
    let job = state.job_of(user, job_id)?;
    let entry = |field: &str, name: &str, permission: Value| json!({ field: name, "display_name": name, "all_permissions": [permission] });
    let own = |level: &str| json!({ "permission_level": level, "inherited": false });
    let admins =
        json!({ "permission_level": "CAN_MANAGE", "inherited": true, "inherited_from_object": ["/jobs/"] });
    let mut list = vec![entry("user_name", &job.user, own("IS_OWNER"))];
    list.extend(job.access.iter().map(|given| entry(given.field, &given.name, own(given.level))));
    list.push(entry("group_name", "admins", admins));
    json_response(&json!({
        "object_id": format!("/jobs/{job_id}"), "object_type": "job", "access_control_list": list,
    }))
}
