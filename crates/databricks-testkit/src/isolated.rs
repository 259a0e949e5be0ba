//! Many workspaces behind one door: each token has one of its own.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};

use databricks_transport::{Body, Error};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode, Uri};
use tower::{Service, ServiceExt};

use crate::access::{bearer, missing_credential};
use crate::api_error::ApiFailure;
use crate::files::drain;
use crate::request_log::Origin;
use crate::server::Server;
use crate::service::{Door, WorkspaceService};
use crate::workspace::SimulatedWorkspace;

/// Workspaces made on demand, one for each token, so that tests in any language and in parallel share one port and
/// nothing else.
///
/// The first call with a token makes its workspace, which takes that token; every later one reaches the same. The
/// number of workspaces is bounded: past it a call with a new token is refused with `QUOTA_EXCEEDED`, and nothing that
/// is there is dropped unless [`release`](Self::release) does it. Discovery and OAuth are those of no workspace, so
/// clients come with a token here. Clones share the workspaces.
///
/// ```
/// use std::sync::Arc;
/// use databricks_testkit::{IsolatedWorkspaces, ScriptedEngine, SimulatedWorkspace};
///
/// let workspaces = IsolatedWorkspaces::new(|_token| {
///     let engine = ScriptedEngine::new();
///     engine.on("CREATE TABLE t (id INT)").empty();
///     SimulatedWorkspace::builder().engine(Arc::new(engine)).build()
/// });
/// let leaf = workspaces.service(); // or workspaces.serve(addr)
/// # let _ = leaf;
/// ```
#[derive(Clone)]
pub struct IsolatedWorkspaces {
    shared: Arc<Shared>,
}

struct Shared {
    make: Box<dyn Fn(&str) -> SimulatedWorkspace + Send + Sync>,
    limit: usize,
    rooms: Mutex<Rooms>,
}

#[derive(Default)]
struct Rooms {
    by_token: HashMap<String, Room>,
    /// The number of the room made last.
    made: u64,
}

/// A workspace being made or there, and the number its links carry.
#[derive(Clone)]
struct Room {
    number: u64,
    workspace: Arc<OnceLock<SimulatedWorkspace>>,
}

impl IsolatedWorkspaces {
    /// Workspaces there can be at once unless [`with_limit`](Self::with_limit) says otherwise.
    pub const DEFAULT_LIMIT: usize = 1_000;

    /// Workspaces made by a closure, which gets the token each is for.
    pub fn new(make: impl Fn(&str) -> SimulatedWorkspace + Send + Sync + 'static) -> Self {
        Self::limited(Box::new(make), Self::DEFAULT_LIMIT)
    }

    /// Workspaces made by a closure, so many at once at most.
    pub fn with_limit(
        limit: usize,
        make: impl Fn(&str) -> SimulatedWorkspace + Send + Sync + 'static,
    ) -> Self {
        Self::limited(Box::new(make), limit)
    }

    fn limited(make: Box<dyn Fn(&str) -> SimulatedWorkspace + Send + Sync>, limit: usize) -> Self {
        Self { shared: Arc::new(Shared { make, limit, rooms: Mutex::default() }) }
    }

    /// All workspaces as one tower service: the leaf of clients that never open a socket.
    pub fn service(&self) -> IsolatedService {
        IsolatedService { workspaces: self.clone(), door: Door::InProcess }
    }

    /// Listens on `addr` for the API and, on the same address and a port of the system's choosing, for storage.
    ///
    /// Port 0 lets the system choose the API's port too. Needs a tokio runtime.
    ///
    /// # Errors
    /// When one of the two addresses cannot be bound.
    pub async fn serve(&self, addr: SocketAddr) -> io::Result<Server> {
        let workspaces = self.clone();
        Server::start(addr, move |door| IsolatedService { workspaces: workspaces.clone(), door }).await
    }

    /// The workspace of a token, if a call has made it.
    pub fn get(&self, token: &str) -> Option<SimulatedWorkspace> {
        self.shared.lock().by_token.get(token)?.workspace.get().cloned()
    }

    /// Forgets the workspace of a token and gives it back; the next call with the token makes a new one. Links of the
    /// old one are gone.
    pub fn release(&self, token: &str) -> Option<SimulatedWorkspace> {
        self.shared.lock().by_token.remove(token)?.workspace.get().cloned()
    }

    /// How many workspaces there are.
    pub fn len(&self) -> usize {
        self.shared.lock().by_token.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The workspace of a token at a door, made where there is none and the limit allows it.
    fn service_of(&self, token: &str, door: Door) -> Result<WorkspaceService, ApiFailure> {
        let room = self.shared.claim(token)?;
        // Not under the lock of all rooms: making one may take its time, and must not hold up the others.
        let workspace = room.workspace.get_or_init(|| {
            let workspace = (self.shared.make)(token);
            workspace.shared.access.tokens.insert_missing(token);
            workspace.shared.links.share_origin(prefix_of(room.number));
            workspace
        });
        Ok(WorkspaceService::in_room(workspace.shared.clone(), door, prefix_of(room.number)))
    }

    /// The room a link leads to.
    fn numbered(&self, number: u64) -> Option<SimulatedWorkspace> {
        let rooms = self.shared.lock();
        rooms.by_token.values().find(|room| room.number == number)?.workspace.get().cloned()
    }
}

impl Shared {
    fn claim(&self, token: &str) -> Result<Room, ApiFailure> {
        let mut rooms = self.lock();
        if let Some(room) = rooms.by_token.get(token) {
            return Ok(room.clone());
        }
        if rooms.by_token.len() >= self.limit {
            let limit = self.limit;
            let message = format!(
                "There are {limit} isolated workspaces, which is the limit: release one, or raise the limit."
            );
            return Err(ApiFailure::new(StatusCode::BAD_REQUEST, "QUOTA_EXCEEDED", message));
        }
        rooms.made += 1;
        let room = Room { number: rooms.made, workspace: Arc::default() };
        rooms.by_token.insert(token.to_owned(), room.clone());
        Ok(room)
    }

    fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tokens are secrets: only the number of workspaces is shown.
impl fmt::Debug for IsolatedWorkspaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IsolatedWorkspaces")
            .field("workspaces", &self.len())
            .field("limit", &self.shared.limit)
            .finish_non_exhaustive()
    }
}

/// [`IsolatedWorkspaces`] as a leaf for clients, made by its `service()`.
#[derive(Clone, Debug)]
pub struct IsolatedService {
    workspaces: IsolatedWorkspaces,
    door: Door,
}

impl Service<Request<Body>> for IsolatedService {
    type Response = Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let Self { workspaces, door } = self.clone();
        async move {
            let found = match door.origin(&request) {
                Origin::Api => {
                    workspaces.behind_token(door, &request).map(|service| (service, request.uri().clone()))
                }
                Origin::Storage => workspaces.behind_link(door, request.uri()),
            };
            match found {
                Ok((service, uri)) => {
                    *request.uri_mut() = uri;
                    service.oneshot(request).await
                }
                Err(failure) => {
                    // A client still sending would see its connection break instead of this answer.
                    drain(request.into_body()).await;
                    Ok(failure.into_response())
                }
            }
        }
        .boxed()
    }
}

/// What the paths of a room's links begin with.
fn prefix_of(number: u64) -> String {
    format!("/workspaces/{number}")
}

impl IsolatedWorkspaces {
    /// The workspace of a request's token.
    fn behind_token(&self, door: Door, request: &Request<Body>) -> Result<WorkspaceService, ApiFailure> {
        match bearer(request.headers()) {
            Some(token) => self.service_of(token, door),
            None => Err(without_token(request.uri().path())),
        }
    }

    /// The workspace a link leads to, and the link as that workspace knows it.
    fn behind_link(&self, door: Door, link: &Uri) -> Result<(WorkspaceService, Uri), ApiFailure> {
        let (number, uri) = room_number(link).ok_or_else(link_leads_nowhere)?;
        let workspace = self.numbered(number).ok_or_else(link_leads_nowhere)?;
        Ok((WorkspaceService::in_room(workspace.shared, door, prefix_of(number)), uri))
    }
}

/// The number in a link's path, and the URI without it.
fn room_number(uri: &Uri) -> Option<(u64, Uri)> {
    let (number, _) = uri.path().strip_prefix("/workspaces/")?.split_once('/')?;
    let prefix = prefix_of(number.parse().ok()?);
    let mut parts = uri.clone().into_parts();
    let rest = parts.path_and_query.as_ref()?.as_str().strip_prefix(&prefix)?;
    parts.path_and_query = Some(rest.parse().ok()?);
    Some((number.parse().ok()?, Uri::from_parts(parts).ok()?))
}

/// Discovery needs no token and belongs to no workspace: 404, which clients with a token take for "no OAuth here".
fn without_token(path: &str) -> ApiFailure {
    if path.starts_with("/.well-known/") || path.starts_with("/oidc/") {
        let message = "Isolated workspaces have no OAuth: come with a token.";
        return ApiFailure::new(StatusCode::NOT_FOUND, "NOT_FOUND", message);
    }
    missing_credential()
}

fn link_leads_nowhere() -> ApiFailure {
    ApiFailure::new(StatusCode::NOT_FOUND, "NoSuchKey", "The link leads to no workspace that is still here.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_link_names_its_room_in_front_of_its_path() {
        let cases = [
            ("http://h/workspaces/7/results/a/0?expires=1", Some((7, "http://h/results/a/0?expires=1"))),
            ("/workspaces/7/results/a/0", Some((7, "/results/a/0"))),
            ("/workspaces/7", None),
            ("/workspaces/x/results", None),
            ("/workspaces/07/results", None),
            ("/results/a/0", None),
        ];
        for (uri, expected) in cases {
            let found = room_number(&uri.parse().unwrap());
            let found = found.as_ref().map(|(number, uri)| (*number, uri.to_string()));
            assert_eq!(found, expected.map(|(number, uri)| (number, uri.to_owned())), "{uri}");
        }
    }
}
