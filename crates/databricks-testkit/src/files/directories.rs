//! Directories: made, removed, listed in pages; and the older listing that volume drivers ask for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::errors::{failure, parse};
use crate::access::guard;
use crate::api_error::{Answer, ApiFailure, empty_response, json_response};
use crate::route::{Call, not_simulated};
use crate::stores::{DirectoryEntry, FileMetadata, PageRequest, VolumePath};

/// Entries a page when the client does not say, and at most.
const PAGE: usize = 1000;

/// Answers a call on a directory, by its decoded path.
pub(super) async fn handle(call: &Call<'_>, method: &str, path: &str) -> Answer {
    let volumes = &call.shared.volumes;
    let path = parse(path)?;
    match method {
        "PUT" => volumes.create_directory(path).await.map_err(failure)?,
        "DELETE" => volumes.delete_directory(path).await.map_err(failure)?,
        "HEAD" => {
            volumes.head_directory(path).await.map_err(failure)?;
            return Ok(empty_response(StatusCode::OK));
        }
        "GET" => return list(call, path).await,
        method => return Err(not_simulated(method, &format!("/api/2.0/fs/directories{path}"))),
    }
    Ok(empty_response(StatusCode::NO_CONTENT))
}

async fn list(call: &Call<'_>, path: VolumePath) -> Answer {
    let size = call.query.number("page_size")?.unwrap_or(PAGE).clamp(1, PAGE);
    let after = call.query.get("page_token").map(decode_token).transpose()?;
    let page = call.shared.volumes.list(path.clone(), PageRequest { after, size }).await.map_err(failure)?;
    let mut answer = Map::new();
    if !page.entries.is_empty() {
        let contents: Vec<Value> = page.entries.iter().map(|entry| entry_json(&path, entry)).collect();
        answer.insert("contents".to_owned(), json!(contents));
    }
    if let (true, Some(last)) = (page.more, page.entries.last()) {
        answer.insert("next_page_token".to_owned(), json!(URL_SAFE_NO_PAD.encode(&last.name)));
    }
    json_response(&answer)
}

/// `GET /api/2.0/fs/list?path=`: everything at once, as recorded.
pub(super) async fn list_all(call: &Call<'_>) -> Answer {
    let path = parse(call.query.required("path")?)?;
    guard::volume(call, true, &path)?;
    let (mut files, mut after) = (Vec::new(), None);
    loop {
        let page = PageRequest { after, size: PAGE };
        let page = call.shared.volumes.list(path.clone(), page).await.map_err(failure)?;
        files.extend(page.entries.iter().map(|entry| file_json(&path, entry)));
        after = page.entries.last().map(|entry| entry.name.clone());
        if !page.more || after.is_none() {
            return json_response(&if files.is_empty() { json!({}) } else { json!({ "files": files }) });
        }
    }
}

fn entry_json(directory: &VolumePath, entry: &DirectoryEntry) -> Value {
    let DirectoryEntry { name, file, modified } = entry;
    let path = format!("{directory}/{name}");
    match file {
        Some(FileMetadata { size, modified }) => json!({
            "path": path,
            "name": name,
            "is_directory": false,
            "file_size": size,
            "last_modified": modified.timestamp_millis(),
        }),
        None => json!({
            "path": format!("{path}/"),
            "name": name,
            "is_directory": true,
            "last_modified": modified.timestamp_millis(),
        }),
    }
}

/// The older listing's words: a directory has neither size nor age.
fn file_json(directory: &VolumePath, entry: &DirectoryEntry) -> Value {
    let DirectoryEntry { name, file, modified: _ } = entry;
    let path = format!("{directory}/{name}");
    match file {
        Some(FileMetadata { size, modified }) => json!({
            "path": path,
            "name": name,
            "is_dir": false,
            "file_size": size,
            "modification_time": modified.timestamp_millis(),
        }),
        None => json!({ "path": format!("{path}/"), "name": name, "is_dir": true }),
    }
}

fn decode_token(token: &str) -> Result<String, ApiFailure> {
    let name = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(|| ApiFailure::invalid(format!("'{token}' is not a page token of this workspace.")))
}
