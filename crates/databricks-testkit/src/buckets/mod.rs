//! Buckets of S3 over folders of this machine: what external locations store, for clients with temporary credentials.

mod keys;
mod list;
mod objects;
mod uploads;
mod xml;

use std::path::PathBuf;

use databricks_transport::Body;
use http::request::Parts;
use http::{Method, Response, StatusCode};

use crate::api_error::respond;
use crate::files::Upload;
use crate::route::{Query, decode};
use crate::storage::{Refusal, StorageAnswer, no_such_key};
use crate::workspace::Shared;
use keys::Keys;
use uploads::Uploads;

/// The buckets of a workspace's external locations.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    locations: Vec<Location>,
    pub(crate) keys: Keys,
    uploads: Uploads,
}

/// A path of a bucket, and the folder that holds what is below it.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    bucket: String,
    /// With a slash at its end, or empty.
    prefix: String,
    folder: PathBuf,
}

/// An object's key, and where it lies.
#[derive(Debug)]
struct Object<'a> {
    location: &'a Location,
    key: String,
}

impl Buckets {
    pub(crate) fn new(locations: Vec<Location>) -> Self {
        Self { locations, ..Self::default() }
    }

    fn object(&self, bucket: &str, key: String) -> Result<Object<'_>, Refusal> {
        if key.split('/').any(|segment| matches!(segment, "" | "." | "..")) || key.contains('\\') {
            let message = "A key has segments, none of them empty, `.` or `..`.";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "InvalidArgument", message));
        }
        let location = self
            .locations
            .iter()
            .find(|location| location.bucket == bucket && key.starts_with(&location.prefix));
        Ok(Object { location: location.ok_or_else(no_such_bucket)?, key })
    }
}

impl Location {
    /// None unless the URL is one of S3: `s3://bucket/path`.
    pub(crate) fn parse(url: &str, folder: PathBuf) -> Option<Self> {
        let rest = url.strip_prefix("s3://")?;
        let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.trim_end_matches('/');
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        (!bucket.is_empty()).then(|| Self { bucket: bucket.to_owned(), prefix, folder })
    }
}

impl Object<'_> {
    /// The URL by which Unity Catalog knows it.
    fn url(&self) -> String {
        format!("s3://{}/{}", self.location.bucket, self.key)
    }

    fn place(&self) -> PathBuf {
        let inside = self.key.strip_prefix(&self.location.prefix).unwrap_or(&self.key);
        inside.split('/').fold(self.location.folder.clone(), |place, segment| place.join(segment))
    }
}

/// Answers a request below `/s3/`, whose paths are `/s3/{bucket}/{key}`.
pub(crate) async fn handle(shared: &Shared, request: &Parts, body: &Upload) -> StorageAnswer {
    let rest = request.uri.path().strip_prefix("/s3/").unwrap_or_default();
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    let (bucket, key) = (decoded(bucket)?, decoded(key)?);
    let query = Query::parse(request.uri.query());
    let grant = shared.buckets.keys.check(&request.headers, shared.clock.now())?;
    if key.is_empty() {
        return match request.method {
            Method::GET => list::list(&shared.buckets, &grant, &bucket, &query).await,
            Method::POST if query.has("delete") => {
                objects::delete_many(&shared.buckets, &grant, &bucket, body).await
            }
            _ => Err(not_served(&request.method)),
        };
    }
    let object = shared.buckets.object(&bucket, key)?;
    grant.covers(&object.url())?;
    let uploads = &shared.buckets.uploads;
    match (&request.method, query.get("uploadId")) {
        (&Method::GET | &Method::HEAD, None) => objects::read(&object).await,
        (&Method::PUT, None) => objects::put(&object, body, shared.ids.next()).await,
        (&Method::DELETE, None) => objects::delete(&object).await,
        (&Method::POST, None) if query.has("uploads") => uploads.begin(&object, shared.ids.next()),
        (&Method::PUT, Some(id)) => uploads.part(&object, id, &query, body, shared.ids.next()).await,
        (&Method::POST, Some(id)) => uploads.complete(&object, id, body, shared.ids.next()).await,
        (&Method::DELETE, Some(id)) => uploads.abort(&object, id),
        (method, _) => Err(not_served(method)),
    }
}

fn decoded(text: &str) -> Result<String, Refusal> {
    decode(text).map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "InvalidURI", "The path is not UTF-8."))
}

fn not_served(method: &Method) -> Refusal {
    let message = format!("This {method} is not simulated by databricks-testkit.");
    Refusal::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
}

fn no_such_bucket() -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "NoSuchBucket",
        "No external location of this workspace covers the path.",
    )
}

fn broken(error: &std::io::Error) -> Refusal {
    match error.kind() {
        std::io::ErrorKind::NotFound => no_such_key(),
        _ => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", error.to_string()),
    }
}

fn document(xml: String) -> Response<Body> {
    respond(StatusCode::OK, "application/xml", xml)
}
