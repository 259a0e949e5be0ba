//! Uploads in several requests: parts in any order, or one stream that can be taken up again.
//!
//! The API begins an upload, signs URLs and completes; the bytes go to the storage origin. Nothing is visible in the
//! volume before an upload is complete: until then its bytes wait in temporary files.

mod api;
mod multipart;
mod resumable;
mod spool;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::request::Parts;
use http::{Method, StatusCode};
use indexmap::IndexMap;

pub(super) use api::{abort_url, complete, initiate, part_urls, resumable_url};

use super::body::Upload as UploadBody;
use crate::api_error::empty_response;
use crate::storage::{Refusal, StorageAnswer, allow, check_link, no_such_key};
use crate::stores::VolumePath;
use crate::workspace::Shared;
use multipart::Multipart;
use resumable::Resumable;
use spool::SpoolError;

/// How long an upload may take from its beginning.
const LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Uploads kept at once, complete ones included.
const CAPACITY: usize = 10_000;

/// How a workspace takes large files, which depends on its cloud. The client is told when it begins an upload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UploadProtocol {
    /// Numbered parts, each to a URL of its own, then a list of their ETags: AWS and Azure.
    #[default]
    Multipart,
    /// One URL that takes the bytes in order and says how many it has: Google Cloud.
    Resumable,
}

/// The uploads of a workspace, oldest first.
#[derive(Debug)]
pub(crate) struct Uploads {
    protocol: UploadProtocol,
    sessions: Mutex<IndexMap<String, Arc<Session>>>,
}

/// One upload.
#[derive(Debug)]
struct Session {
    token: String,
    user: String,
    path: VolumePath,
    overwrite: bool,
    begun: Duration,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Multipart(Multipart),
    Resumable(Resumable),
}

impl Uploads {
    pub(crate) fn new(protocol: UploadProtocol) -> Self {
        Self { protocol, sessions: Mutex::default() }
    }

    /// Keeps a new upload; `false` when there are too many. Complete ones are forgotten to make room.
    fn begin(&self, session: Session, now: Duration) -> bool {
        let mut sessions = self.lock();
        if sessions.first().is_some_and(|(_, oldest)| !oldest.lives(now)) {
            sessions.retain(|_, session| session.lives(now));
        }
        if sessions.len() >= CAPACITY {
            sessions.retain(|_, session| !session.is_complete());
        }
        let room = sessions.len() < CAPACITY;
        if room {
            sessions.insert(session.token.clone(), Arc::new(session));
        }
        room
    }

    fn get(&self, token: &str, now: Duration) -> Option<Arc<Session>> {
        self.lock().get(token).filter(|session| session.lives(now)).cloned()
    }

    /// Forgets an upload and what it holds.
    fn remove(&self, token: &str) -> Option<Arc<Session>> {
        self.lock().shift_remove(token)
    }

    fn lock(&self) -> MutexGuard<'_, IndexMap<String, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn lives(&self, now: Duration) -> bool {
        now.saturating_sub(self.begun) < LIFE
    }

    fn is_complete(&self) -> bool {
        match &self.kind {
            Kind::Multipart(parts) => parts.check_open().is_err(),
            Kind::Resumable(stream) => stream.is_complete(),
        }
    }
}

/// Answers a request to `/uploads/{rest}` on the storage origin.
pub(super) async fn storage(
    shared: &Shared,
    request: &Parts,
    rest: &str,
    body: &UploadBody,
) -> StorageAnswer {
    let segments: Vec<&str> = rest.split('/').collect();
    match *segments.as_slice() {
        [token, "parts", number] => {
            allow(&request.method, &[Method::PUT])?;
            check_link(shared, request)?;
            let number = number.parse().map_err(|_| no_such_key())?;
            let session = open(shared, token)?;
            multipart::put_part(shared, &session, number, body).await
        }
        [token, "stream"] => {
            allow(&request.method, &[Method::PUT, Method::DELETE])?;
            check_link(shared, request)?;
            let session = open(shared, token)?;
            match request.method {
                Method::PUT => resumable::put(shared, &session, request, body).await,
                _ => abort(shared, token).await,
            }
        }
        [token, "abort"] => {
            allow(&request.method, &[Method::DELETE])?;
            check_link(shared, request)?;
            abort(shared, token).await
        }
        _ => Err(no_such_key()),
    }
}

fn open(shared: &Shared, token: &str) -> Result<Arc<Session>, Refusal> {
    shared.uploads.get(token, shared.clock.elapsed()).ok_or_else(no_such_upload)
}

/// Ends an upload that is not complete. One that is just being completed is waited for, so that either the abort or
/// the completion succeeds; what is complete stays, for a completion that is repeated.
///
/// Official clients take 200 and 201 for an abort, and no 204.
async fn abort(shared: &Shared, token: &str) -> StorageAnswer {
    let session = open(shared, token)?;
    match &session.kind {
        Kind::Multipart(parts) => {
            let completed = parts.completed.lock().await;
            if completed.is_some() {
                return Err(no_such_upload());
            }
            shared.uploads.remove(token).ok_or_else(no_such_upload)?;
            parts.close();
        }
        Kind::Resumable(stream) => {
            let complete = stream.complete.lock().await;
            if *complete {
                return Err(no_such_upload());
            }
            shared.uploads.remove(token).ok_or_else(no_such_upload)?;
        }
    }
    Ok(empty_response(StatusCode::OK))
}

fn no_such_upload() -> Refusal {
    let message = "The upload does not exist: it was aborted, is complete, or has expired.";
    Refusal::new(StatusCode::NOT_FOUND, "NoSuchUpload", message)
}

fn not_spooled(error: SpoolError) -> Refusal {
    let (status, code) = match &error {
        SpoolError::Interrupted(_) => (StatusCode::BAD_REQUEST, "IncompleteBody"),
        SpoolError::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            (StatusCode::INSUFFICIENT_STORAGE, "InsufficientStorage")
        }
        SpoolError::Io(_) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
    };
    Refusal::new(status, code, error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn session(n: usize, begun: Duration) -> Session {
        let path = VolumePath::parse("/Volumes/main/default/v/f").unwrap();
        let kind = Kind::Multipart(Multipart::default());
        Session { token: n.to_string(), user: "ada".to_owned(), path, overwrite: true, begun, kind }
    }

    #[test]
    fn complete_uploads_make_room_and_open_ones_do_not() {
        let uploads = Uploads::new(UploadProtocol::Multipart);
        for n in 0..CAPACITY {
            assert!(uploads.begin(session(n, Duration::ZERO), Duration::ZERO));
        }
        assert!(!uploads.begin(session(CAPACITY, Duration::ZERO), Duration::ZERO));
        let Kind::Multipart(parts) = &uploads.get("7", Duration::ZERO).unwrap().kind else { panic!() };
        parts.close();
        assert!(uploads.begin(session(CAPACITY, Duration::ZERO), Duration::ZERO));
        assert!(uploads.get("7", Duration::ZERO).is_none() && uploads.get("8", Duration::ZERO).is_some());
        assert!(uploads.get("8", LIFE).is_none());
        assert!(uploads.begin(session(0, LIFE), LIFE));
        assert_eq!(uploads.lock().len(), 1);
    }
}
