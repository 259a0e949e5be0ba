//! The API's side of an upload: begin, sign URLs, complete.

use std::sync::Arc;

use databricks_transport::Body;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::multipart::{ListedPart, MAX_PART, Multipart};
use super::resumable::Resumable;
use super::{Kind, Session, UploadProtocol};
use crate::access::guard;
use crate::api_error::{Answer, ApiFailure, json_response};
use crate::files::errors::{failure, parse, refused};
use crate::files::presigned::{expiry, presigned};
use crate::route::Call;
use crate::statements::read_json;
use crate::stores::{VolumeError, VolumePath};

/// `POST files{path}?action=initiate-upload`.
pub(in crate::files) async fn initiate(call: &Call<'_>, path: &str) -> Answer {
    let (path, overwrite) = (parse(path)?, call.query.flag("overwrite")?);
    check_target(call, &path, overwrite).await?;
    let uploads = &call.shared.uploads;
    let (kind, field) = match uploads.protocol {
        UploadProtocol::Multipart => (Kind::Multipart(Multipart::default()), "multipart_upload"),
        UploadProtocol::Resumable => {
            let directory = call.shared.volumes.spool_directory();
            (Kind::Resumable(Resumable::new(directory)), "resumable_upload")
        }
    };
    let (token, begun) = (call.shared.ids.next(), call.shared.clock.elapsed());
    let user = call.user.to_owned();
    let session = Session { token: token.clone(), user, path, overwrite, begun, kind };
    if !uploads.begin(session, begun) {
        let message = "Too many uploads are open: complete or abort some of them.";
        return Err(ApiFailure::new(StatusCode::BAD_REQUEST, "RESOURCE_EXHAUSTED", message));
    }
    json_response(&json!({ field: { "session_token": token } }))
}

/// Refuses at once what the end of the upload would refuse.
async fn check_target(call: &Call<'_>, path: &VolumePath, overwrite: bool) -> Result<(), ApiFailure> {
    let volumes = &call.shared.volumes;
    let taken = || failure(VolumeError::AlreadyExists(path.clone()));
    match volumes.head(path.clone()).await {
        Ok(_) if overwrite => Ok(()),
        Ok(_) => Err(taken()),
        Err(VolumeError::FileNotFound(_)) => match volumes.head_directory(path.clone()).await {
            Ok(()) => Err(taken()),
            Err(_) => Ok(()),
        },
        Err(error) => Err(failure(error)),
    }
}

/// What every call about an upload says of it.
#[derive(Deserialize)]
struct UploadBody {
    path: Option<String>,
    session_token: Option<String>,
    expire_time: Option<String>,
}

#[derive(Deserialize)]
struct PartUrlsBody {
    #[serde(flatten)]
    upload: UploadBody,
    start_part_number: Option<u32>,
    count: Option<u32>,
}

/// `POST create-upload-part-urls`.
pub(in crate::files) async fn part_urls(call: &Call<'_>, body: Body) -> Answer {
    let PartUrlsBody { upload, start_part_number, count } = read_json(body).await?;
    let session = find(call, &upload)?;
    multipart(&session)?.check_open().map_err(|()| gone(&session.token))?;
    let (first, count) = (start_part_number.unwrap_or(1), count.unwrap_or(1));
    let last = first.saturating_add(count).saturating_sub(1);
    if first == 0 || count == 0 || last > MAX_PART {
        return Err(ApiFailure::invalid(format!(
            "start_part_number {first} and count {count} are not valid: parts are numbered from 1 to {MAX_PART}."
        )));
    }
    let expires = expiry(call, upload.expire_time.as_deref())?;
    let url = |number: u32| {
        let mut url = presigned(call, &format!("/uploads/{}/parts/{number}", session.token), expires);
        if let Some(fields) = url.as_object_mut() {
            fields.insert("part_number".to_owned(), json!(number));
        }
        url
    };
    let urls: Vec<Value> = (first..=last).map(url).collect();
    json_response(&json!({ "upload_part_urls": urls }))
}

/// `POST create-resumable-upload-url`.
pub(in crate::files) async fn resumable_url(call: &Call<'_>, body: Body) -> Answer {
    let upload: UploadBody = read_json(body).await?;
    let session = find(call, &upload)?;
    if !matches!(session.kind, Kind::Resumable(_)) {
        let message = "The upload is a multipart one: ask for create-upload-part-urls.";
        return Err(ApiFailure::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message));
    }
    let expires = expiry(call, upload.expire_time.as_deref())?;
    let url = presigned(call, &format!("/uploads/{}/stream", session.token), expires);
    json_response(&json!({ "resumable_upload_url": url }))
}

/// `POST create-abort-upload-url`.
pub(in crate::files) async fn abort_url(call: &Call<'_>, body: Body) -> Answer {
    let upload: UploadBody = read_json(body).await?;
    let session = find(call, &upload)?;
    let expires = expiry(call, upload.expire_time.as_deref())?;
    let url = presigned(call, &format!("/uploads/{}/abort", session.token), expires);
    json_response(&json!({ "abort_upload_url": url }))
}

#[derive(Deserialize)]
struct CompleteBody {
    #[serde(default)]
    parts: Vec<ListedPart>,
}

/// `POST files{path}?action=complete-upload&upload_type=multipart&session_token=`.
pub(in crate::files) async fn complete(call: &Call<'_>, path: &str, body: Body) -> Answer {
    let CompleteBody { parts } = read_json(body).await?;
    if let Some(other) = call.query.get("upload_type").filter(|text| *text != "multipart") {
        return Err(ApiFailure::invalid(format!(
            "upload_type '{other}' is not completed by a call: multipart is, a resumable upload ends with its last byte."
        )));
    }
    let token = call.query.required("session_token")?.to_owned();
    let upload = UploadBody { path: Some(path.to_owned()), session_token: Some(token), expire_time: None };
    let session = find(call, &upload)?;
    // One at a time: a client that repeats a call whose answer it lost waits for the first to end.
    let mut completed = multipart(&session)?.completed.lock().await;
    if let Some(before) = completed.as_ref() {
        let same = *before == parts;
        return if same { json_response(&json!({})) } else { Err(gone(&session.token)) };
    }
    // An abort may have been first.
    multipart(&session)?.check_open().map_err(|()| gone(&session.token))?;
    let content = multipart(&session)?.content(&parts).map_err(|message| {
        refused(StatusCode::BAD_REQUEST, "BAD_REQUEST", "FILES_API_INVALID_UPLOAD_PARTS", message)
    })?;
    let put = call.shared.volumes.put(session.path.clone(), content, session.overwrite);
    put.await.map_err(failure)?;
    *completed = Some(parts);
    multipart(&session)?.close();
    json_response(&json!({}))
}

/// An upload of this user to this path, who may have lost since what it takes to write there.
fn find(call: &Call<'_>, upload: &UploadBody) -> Result<Arc<Session>, ApiFailure> {
    let missing = |name| ApiFailure::invalid(format!("Missing required field: {name}"));
    let token = upload.session_token.as_deref().ok_or_else(|| missing("session_token"))?;
    let path = parse(upload.path.as_deref().ok_or_else(|| missing("path"))?)?;
    guard::volume(call, false, &path)?;
    let session = call.shared.uploads.get(token, call.shared.clock.elapsed());
    let session = session.filter(|session| session.user == call.user && session.path == path);
    session.ok_or_else(|| gone(token))
}

fn multipart(session: &Session) -> Result<&Multipart, ApiFailure> {
    match &session.kind {
        Kind::Multipart(parts) => Ok(parts),
        Kind::Resumable(_) => {
            let message = "The upload is a resumable one: ask for create-resumable-upload-url.";
            Err(ApiFailure::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message))
        }
    }
}

fn gone(token: &str) -> ApiFailure {
    let message = format!(
        "The upload session {token} is not one of this path: it was completed, aborted, or has expired."
    );
    refused(StatusCode::NOT_FOUND, "NOT_FOUND", "FILES_API_RESOURCE_NOT_FOUND", message)
}
