//! Uploads in parts: nothing shows of them before they are completed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use tempfile::TempPath;
use tokio::fs::File;

use super::objects::{receive, settle, tagged, text, unfinished};
use super::xml::{escaped, texts};
use super::{Object, broken, document};
use crate::api_error::empty_response;
use crate::files::Upload;
use crate::route::Query;
use crate::storage::{Refusal, StorageAnswer};

/// The uploads that are under way.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    open: Mutex<HashMap<String, Open>>,
}

#[derive(Debug)]
struct Open {
    url: String,
    parts: BTreeMap<u32, Part>,
}

#[derive(Debug)]
struct Part {
    etag: String,
    file: TempPath,
}

impl Uploads {
    /// `POST ?uploads`.
    pub(super) fn begin(&self, object: &Object<'_>, id: String) -> StorageAnswer {
        self.lock().insert(id.clone(), Open { url: object.url(), parts: BTreeMap::new() });
        Ok(document(format!(
            "<InitiateMultipartUploadResult><Bucket>{}</Bucket><Key>{}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>",
            escaped(&object.location.bucket),
            escaped(&object.key)
        )))
    }

    /// `PUT ?partNumber&uploadId`.
    pub(super) async fn part(
        &self,
        object: &Object<'_>,
        id: &str,
        query: &Query,
        body: &Upload,
        etag: String,
    ) -> StorageAnswer {
        let number = query.get("partNumber").and_then(|number| number.parse().ok());
        let number = number.filter(|number| (1..=10_000).contains(number)).ok_or_else(|| {
            let message = "Part number must be an integer between 1 and 10000, inclusive.";
            Refusal::new(StatusCode::BAD_REQUEST, "InvalidArgument", message)
        })?;
        let file = receive(&object.location.folder, body).await?;
        let mut open = self.lock();
        let upload =
            open.get_mut(id).filter(|upload| upload.url == object.url()).ok_or_else(no_such_upload)?;
        upload.parts.insert(number, Part { etag: etag.clone(), file });
        Ok(tagged(empty_response(StatusCode::OK), &etag))
    }

    /// `POST ?uploadId`: the object of the parts that are named, by number and tag.
    pub(super) async fn complete(
        &self,
        object: &Object<'_>,
        id: &str,
        body: &Upload,
        etag: String,
    ) -> StorageAnswer {
        let list = text(body).await?;
        let numbers = texts(&list, "PartNumber").into_iter().filter_map(|number| number.parse::<u32>().ok());
        let named: Vec<(u32, String)> = numbers.zip(texts(&list, "ETag")).collect();
        let parts = self.take(object, id, &named)?;
        let made = async {
            let (path, mut whole) = unfinished(&object.location.folder).await?;
            for part in parts {
                tokio::io::copy(&mut File::open(&part.file).await?, &mut whole).await?;
            }
            whole.sync_all().await?;
            settle(path, &object.place()).await
        };
        made.await.map_err(|error| broken(&error))?;
        Ok(document(format!(
            "<CompleteMultipartUploadResult><Bucket>{}</Bucket><Key>{}</Key><ETag>\"{etag}\"</ETag></CompleteMultipartUploadResult>",
            escaped(&object.location.bucket),
            escaped(&object.key)
        )))
    }

    /// `DELETE ?uploadId`.
    pub(super) fn abort(&self, object: &Object<'_>, id: &str) -> StorageAnswer {
        let mut open = self.lock();
        if open.get(id).is_none_or(|upload| upload.url != object.url()) {
            return Err(no_such_upload());
        }
        open.remove(id);
        Ok(empty_response(StatusCode::NO_CONTENT))
    }

    /// The parts of an upload that is over, in order.
    fn take(&self, object: &Object<'_>, id: &str, named: &[(u32, String)]) -> Result<Vec<Part>, Refusal> {
        let mut open = self.lock();
        let upload = open.get(id).filter(|upload| upload.url == object.url()).ok_or_else(no_such_upload)?;
        let is_there = |(number, etag): &(u32, String)| {
            upload.parts.get(number).is_some_and(|part| part.etag == etag.trim_matches('"'))
        };
        let is_ordered = named.windows(2).all(|pair| matches!(pair, [(a, _), (b, _)] if a < b));
        if named.is_empty() || !is_ordered || !named.iter().all(is_there) {
            let message = "One or more of the specified parts could not be found.";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "InvalidPart", message));
        }
        let mut parts = open.remove(id).map(|upload| upload.parts).unwrap_or_default();
        Ok(named.iter().filter_map(|(number, _)| parts.remove(number)).collect())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_such_upload() -> Refusal {
    let message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
    Refusal::new(StatusCode::NOT_FOUND, "NoSuchUpload", message)
}
