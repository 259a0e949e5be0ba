//! The warehouses API.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use databricks_transport::Body;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::spec::WarehouseSpec;
use super::warehouse::{Phase, Warehouse};
use super::{known, usable};
use crate::access::{Privilege, Securable, guard};
use crate::api_error::{Answer, ApiFailure, json_response};
use crate::route::Call;
use crate::statements::read_json;

const SIZES: [&str; 10] = [
    "2X-Small", "X-Small", "Small", "Medium", "Large", "X-Large", "2X-Large", "3X-Large", "4X-Large",
    "5X-Large",
];
/// What is kept and given back. It changes nothing of a simulated warehouse.
const SETTINGS: [&str; 12] = [
    "channel",
    "cluster_size",
    "enable_photon",
    "enable_serverless_compute",
    "instance_profile_arn",
    "max_num_clusters",
    "min_num_clusters",
    "spot_instance_policy",
    "tags",
    "warehouse_type",
    // Said by some clients, and the path's or the caller's anyway.
    "id",
    "creator_name",
];
/// Warehouses a workspace can have by making them over REST.
const CAPACITY: usize = 1_000;
/// Minutes a warehouse made over REST may be idle when the caller does not say, as documented.
const AUTO_STOP_MINUTES: u64 = 120;

/// `GET /api/2.0/sql/warehouses`: those the caller may use.
pub(crate) fn list(call: &Call<'_>) -> Answer {
    let after = call.query.get("page_token").map(decode_token).transpose()?;
    let size = call.query.number("page_size")?.filter(|&size| size > 0).unwrap_or(usize::MAX);
    let now = call.shared.warehouses.clock.elapsed();
    let mut known = call.shared.warehouses.lock();
    let visible = |id: &str| guard::sees(call, &Securable::warehouse(id));
    // By number and not by place: what a page ended with may be deleted before the next one is asked for.
    let mut rest = known
        .values_mut()
        .filter(|warehouse| after.is_none_or(|after| warehouse.number > after))
        .filter(|warehouse| visible(&warehouse.spec.id));
    let mut last = None;
    let shown = rest.by_ref().take(size).map(|warehouse| {
        last = Some(warehouse.number);
        info(call, warehouse, now)
    });
    let page: Vec<Value> = shown.collect();
    let more = rest.next().is_some();
    let mut answer = json!({ "warehouses": page });
    if let (true, Some(last)) = (more, last) {
        answer["next_page_token"] = json!(URL_SAFE_NO_PAD.encode(last.to_string()));
    }
    json_response(&answer)
}

/// The number of the last warehouse of the page before.
fn decode_token(token: &str) -> Result<u64, ApiFailure> {
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| ApiFailure::invalid(format!("'{token}' is not a page token of this workspace.")))
}

/// `GET /api/2.0/sql/warehouses/{id}`.
pub(crate) fn get(call: &Call<'_>, id: &str) -> Answer {
    usable(call, id)?;
    let now = call.shared.warehouses.clock.elapsed();
    let found = call.shared.warehouses.lock().get_mut(id).map(|warehouse| info(call, warehouse, now));
    json_response(&found.ok_or_else(|| gone(id))?)
}

/// `POST /api/2.0/sql/warehouses/{id}/start`. One that runs already stays as it is.
pub(crate) fn start(call: &Call<'_>, id: &str) -> Answer {
    usable(call, id)?;
    change(call, id, |warehouse, now| warehouse.start(now))
}

/// `POST /api/2.0/sql/warehouses/{id}/stop`: ends the statements that run or wait there.
pub(crate) fn stop(call: &Call<'_>, id: &str) -> Answer {
    manageable(call, id)?;
    change(call, id, |warehouse, now| warehouse.stop(now))
}

/// `DELETE /api/2.0/sql/warehouses/{id}`.
pub(crate) fn delete(call: &Call<'_>, id: &str) -> Answer {
    manageable(call, id)?;
    call.shared.warehouses.lock().shift_remove(id);
    call.shared.warehouses.changed();
    call.shared.access.grants.forget(&Securable::warehouse(id));
    json_response(&json!({}))
}

/// `POST /api/2.0/sql/warehouses`: makes one and starts it.
pub(crate) async fn create(call: &Call<'_>, body: Body) -> Answer {
    let wanted = Wanted::read(body).await?;
    let name = wanted.name.clone().ok_or_else(|| ApiFailure::invalid("Missing required field: name"))?;
    let warehouses = &call.shared.warehouses;
    let id: String = call.shared.ids.key().simple().to_string().chars().take(16).collect();
    let spec = WarehouseSpec { id: id.clone(), name: name.clone(), ..warehouses.template.clone() };
    let spec = spec.creator(call.user).stopped().auto_stop(Duration::from_secs(60 * AUTO_STOP_MINUTES));
    let now = warehouses.clock.elapsed();
    let mut warehouse = Warehouse::new(spec, now);
    wanted.apply(&mut warehouse);
    warehouse.start(now);
    {
        let mut known = warehouses.lock();
        check_free(&known, &name, &id)?;
        check_room(known.len())?;
        warehouse.number = warehouses.number();
        known.insert(id.clone(), warehouse);
    }
    call.shared.access.grants.set_owner(&Securable::warehouse(&id), call.user);
    json_response(&json!({ "id": id }))
}

/// `POST /api/2.0/sql/warehouses/{id}/edit`: what is not said stays as it is.
pub(crate) async fn edit(call: &Call<'_>, id: &str, body: Body) -> Answer {
    let wanted = Wanted::read(body).await?;
    manageable(call, id)?;
    let mut known = call.shared.warehouses.lock();
    if let Some(name) = &wanted.name {
        check_free(&known, name, id)?;
    }
    if let Some(warehouse) = known.get_mut(id) {
        wanted.apply(warehouse);
    }
    json_response(&json!({}))
}

fn manageable(call: &Call<'_>, id: &str) -> Result<(), ApiFailure> {
    known(call, id)?;
    guard::require(call, Privilege::CanManage, &Securable::warehouse(id))
}

/// Changes a warehouse and wakes who waits for one. It may have been deleted since it was checked.
fn change(call: &Call<'_>, id: &str, work: impl FnOnce(&mut Warehouse, Duration)) -> Answer {
    let warehouses = &call.shared.warehouses;
    let now = warehouses.clock.elapsed();
    let found = warehouses.lock().get_mut(id).map(|warehouse| work(warehouse, now));
    warehouses.changed();
    found.ok_or_else(|| gone(id))?;
    json_response(&json!({}))
}

fn gone(id: &str) -> ApiFailure {
    ApiFailure::not_found(format!("SQL warehouse {id} does not exist."))
}

fn check_free(
    known: &indexmap::IndexMap<String, Warehouse>,
    name: &str,
    own_id: &str,
) -> Result<(), ApiFailure> {
    if known.values().any(|other| other.spec.name == name && other.spec.id != own_id) {
        return Err(ApiFailure::invalid(format!("SQL warehouse with name `{name}` already exists")));
    }
    Ok(())
}

fn check_room(count: usize) -> Result<(), ApiFailure> {
    if count < CAPACITY {
        return Ok(());
    }
    let message = format!("The workspace has {count} SQL warehouses, which is the limit: delete one.");
    Err(ApiFailure::new(StatusCode::BAD_REQUEST, "QUOTA_EXCEEDED", message))
}

/// What a create or an edit asks for, checked.
#[derive(Debug)]
struct Wanted {
    name: Option<String>,
    auto_stop: Option<u64>,
    settings: Map<String, Value>,
}

impl Wanted {
    async fn read(body: Body) -> Result<Self, ApiFailure> {
        let mut fields: Map<String, Value> = read_json(body).await?;
        let name = fields.remove("name").map(check_name).transpose()?;
        let auto_stop = fields.remove("auto_stop_mins").map(check_auto_stop).transpose()?;
        if let Some((field, value)) = fields.iter().find(|(field, _)| !SETTINGS.contains(&field.as_str())) {
            let message =
                format!("The field '{field}' ({value}) of a warehouse is not simulated: leave it out.");
            return Err(ApiFailure::invalid(message));
        }
        check_size(&fields)?;
        check_clusters(&fields)?;
        fields.retain(|field, _| !matches!(field.as_str(), "id" | "creator_name"));
        Ok(Self { name, auto_stop, settings: fields })
    }

    fn apply(self, warehouse: &mut Warehouse) {
        let Self { name, auto_stop, settings } = self;
        if let Some(name) = name {
            warehouse.spec.name = name;
        }
        if let Some(minutes) = auto_stop {
            warehouse.spec.auto_stop = (minutes > 0).then(|| Duration::from_secs(60 * minutes));
        }
        warehouse.settings.extend(settings);
    }
}

fn check_name(value: Value) -> Result<String, ApiFailure> {
    match value.as_str() {
        Some(name) if !name.is_empty() && name.chars().count() < 100 => Ok(name.to_owned()),
        _ => Err(ApiFailure::invalid(format!("The name {value} is not valid: it has 1 to 99 characters."))),
    }
}

fn check_auto_stop(value: Value) -> Result<u64, ApiFailure> {
    match value.as_u64() {
        Some(minutes @ (0 | 10..=100_000)) => Ok(minutes),
        _ => Err(ApiFailure::invalid(format!(
            "auto_stop_mins {value} is not valid: it is 0 for never, or at least 10."
        ))),
    }
}

fn check_size(fields: &Map<String, Value>) -> Result<(), ApiFailure> {
    match fields.get("cluster_size") {
        Some(size) if !size.as_str().is_some_and(|size| SIZES.contains(&size)) => Err(ApiFailure::invalid(
            format!("cluster_size {size} is not valid: it is one of {}.", SIZES.join(", ")),
        )),
        _ => Ok(()),
    }
}

fn check_clusters(fields: &Map<String, Value>) -> Result<(), ApiFailure> {
    let number = |name: &str, most: u64| match fields.get(name) {
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(count) if (1..=most).contains(&count) => Ok(Some(count)),
            _ => {
                Err(ApiFailure::invalid(format!("{name} {value} is not valid: it is between 1 and {most}.")))
            }
        },
    };
    match (number("min_num_clusters", 30)?, number("max_num_clusters", 40)?) {
        (Some(min), Some(max)) if max < min => Err(ApiFailure::invalid(format!(
            "max_num_clusters {max} is not valid: it is at least min_num_clusters, {min}."
        ))),
        _ => Ok(()),
    }
}

fn info(call: &Call<'_>, warehouse: &mut Warehouse, now: Duration) -> Value {
    let phase = warehouse.phase(now);
    let (active, Warehouse { spec, settings, .. }) = (warehouse.active(), &*warehouse);
    let running = u32::from(phase == Phase::Running);
    let path = format!("/sql/1.0/warehouses/{}", spec.id);
    let (scheme, host, port) = origin_parts(&call.origin);
    let ssl = u32::from(scheme == "https");
    let mut info = json!({
        "id": spec.id,
        "name": spec.name,
        "state": phase.name(),
        "cluster_size": "2X-Small",
        "min_num_clusters": 1,
        "max_num_clusters": 1,
        "num_clusters": running,
        "num_active_sessions": active,
        "auto_stop_mins": spec.auto_stop.map_or(0, |idle| idle.as_secs().div_ceil(60)),
        "warehouse_type": "PRO",
        "enable_serverless_compute": true,
        "enable_photon": true,
        "creator_name": spec.creator.as_deref().unwrap_or(call.user),
        "health": { "status": "HEALTHY" },
        "jdbc_url": format!("jdbc:databricks://{host}:{port}/default;transportMode=http;ssl={ssl};AuthMech=3;httpPath={path};"),
        "odbc_params": { "hostname": host, "path": path, "protocol": scheme, "port": port },
    });
    if let Some(info) = info.as_object_mut() {
        info.extend(settings.clone());
    }
    info
}

/// Scheme, host and port of an origin.
fn origin_parts(origin: &str) -> (String, String, u16) {
    let Ok(url) = url::Url::parse(origin) else { return ("http".to_owned(), "localhost".to_owned(), 80) };
    let host = url.host_str().unwrap_or("localhost").to_owned();
    (url.scheme().to_owned(), host, url.port_or_known_default().unwrap_or(80))
}
