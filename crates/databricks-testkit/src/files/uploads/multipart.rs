//! Numbered parts: kept as they come, put together when the client lists them.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{StreamExt, stream};
use http::StatusCode;
use http::header::{ETAG, HeaderValue};
use serde::Deserialize;

use super::spool::Spool;
use super::{Kind, Session, no_such_upload, not_spooled};
use crate::api_error::empty_response;
use crate::files::body::Upload;
use crate::storage::{Refusal, StorageAnswer};
use crate::stores::ByteStream;
use crate::workspace::Shared;

/// The last number a part can have, as on the object stores behind.
pub(super) const MAX_PART: u32 = 10_000;

/// The parts of one upload.
#[derive(Debug, Default)]
pub(super) struct Multipart {
    parts: Mutex<BTreeMap<u32, Arc<Part>>>,
    /// The list that completed the upload: the same list again is answered the same way.
    pub(super) completed: tokio::sync::Mutex<Option<Vec<ListedPart>>>,
    closed: AtomicBool,
}

#[derive(Debug)]
struct Part {
    content: Spool,
    etag: String,
}

/// A part in the client's list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct ListedPart {
    part_number: u32,
    etag: Option<String>,
}

impl Multipart {
    /// Fails once the upload is complete or aborted.
    pub(super) fn check_open(&self) -> Result<(), ()> {
        if self.closed.load(Ordering::Acquire) { Err(()) } else { Ok(()) }
    }

    /// Takes no more parts and forgets those it has.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.lock().clear();
    }

    /// A part that came again replaces the one before.
    fn insert(&self, number: u32, part: Part) {
        self.lock().insert(number, Arc::new(part));
    }

    /// The file that a list of parts makes.
    ///
    /// An object store would drop a part that is not listed and take numbers with a gap; here both are refused,
    /// because either is how a client loses data without noticing.
    pub(super) fn content(&self, listed: &[ListedPart]) -> Result<ByteStream, String> {
        if listed.is_empty() {
            return Err("No parts are listed: an upload has at least one.".to_owned());
        }
        let parts = self.lock();
        let mut found = Vec::with_capacity(listed.len());
        for (expected, ListedPart { part_number, etag }) in (1u32..).zip(listed) {
            if *part_number != expected {
                return Err(format!(
                    "Part {part_number} is listed where part {expected} belongs: list every part from 1 on, in order."
                ));
            }
            let part =
                parts.get(part_number).ok_or_else(|| format!("Part {part_number} was not uploaded."))?;
            let sent = etag.as_deref().unwrap_or_default();
            if sent.trim_matches('"') != part.etag.trim_matches('"') {
                let etag = &part.etag;
                return Err(format!("Part {part_number} has the ETag {etag}, and '{sent}' is listed."));
            }
            found.push(part.clone());
        }
        if let Some(number) = parts.keys().find(|number| **number as usize > listed.len()) {
            return Err(format!("Part {number} was uploaded and is not listed."));
        }
        Ok(stream::iter(found).flat_map(|part| part.content.stream()).boxed())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Arc<Part>>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `PUT` of a part.
pub(super) async fn put_part(
    shared: &Shared,
    session: &Session,
    number: u32,
    body: &Upload,
) -> StorageAnswer {
    let Kind::Multipart(parts) = &session.kind else { return Err(no_such_upload()) };
    parts.check_open().map_err(|()| no_such_upload())?;
    // Object stores take no part of unknown length.
    let length = body.length().ok_or_else(|| {
        let message = "You must provide the Content-Length HTTP header.";
        Refusal::new(StatusCode::LENGTH_REQUIRED, "MissingContentLength", message)
    })?;
    let (content, etag) = receive(shared, body).await?;
    if content.size() != length {
        let message = format!("{} of {length} bytes came.", content.size());
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "IncompleteBody", message));
    }
    // The upload may have been aborted or completed while the part came in.
    parts.check_open().map_err(|()| no_such_upload())?;
    shared.uploads.get(&session.token, shared.clock.elapsed()).ok_or_else(no_such_upload)?;
    let value = HeaderValue::from_str(&etag).map_err(|_| no_such_upload())?;
    parts.insert(number, Part { content, etag });
    let mut response = empty_response(StatusCode::OK);
    response.headers_mut().insert(ETAG, value);
    Ok(response)
}

/// Keeps a body, and makes an ETag that says what is in it.
async fn receive(shared: &Shared, body: &Upload) -> Result<(Spool, String), Refusal> {
    let mut content = Spool::new(shared.volumes.spool_directory());
    let (mut low, mut high) = (DefaultHasher::new(), DefaultHasher::new());
    high.write_u8(1);
    let hash = |bytes: &[u8]| {
        low.write(bytes);
        high.write(bytes);
    };
    content.append(body.stream(), hash).await.map_err(not_spooled)?;
    Ok((content, format!("\"{:016x}{:016x}\"", high.finish(), low.finish())))
}
