//! The open connections of a kind: whoever sends a request takes one that is idle, shares one of HTTP/2, or opens another;
//! whatever comes first.
//!
//! A server lets only so many calls share a connection of HTTP/2. A call beyond its limit would wait, unsent, for another
//! one to end, and its clock would run. So the calls to a host are spread over several: the first takes all until it is
//! full, then the second.

mod held;
mod host;
mod open;
mod opening;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Response, Uri};
use tokio::runtime::Handle;

use self::held::held;
use self::host::{Host, Lease};
use self::opening::{Found, lease_or_turn};
use super::connection::Connection;
use super::departure::Departure;
use super::failure::Failure;
use crate::body::Body;
use crate::service::Outgoing;

/// An idle connection is closed before load balancers do it.
pub(super) const IDLE: Duration = Duration::from_secs(50);

/// Opens a connection to the host of an address.
pub(super) type Connect = Box<dyn Fn(Uri) -> Connecting + Send + Sync>;
pub(super) type Connecting = BoxFuture<'static, Result<Connection, Failure>>;

/// The connections that are made in one way, to any host.
pub(super) struct Pool {
    connect: Connect,
    hosts: Arc<Hosts>,
}

impl Pool {
    pub(super) fn new(connect: Connect) -> Self {
        Self { connect, hosts: Arc::default() }
    }

    /// Sends a request to its address, which names a host. What a connection that is closed under it had not begun to write is sent
    /// over another, if that connection had idled.
    pub(super) async fn request(
        &self,
        mut request: Outgoing<'_>,
        uri: &Uri,
        departure: &mut Departure<'_>,
    ) -> Result<Box<Response<Body>>, Failure> {
        let (operation, call) = (request.operation, request.call);
        let host = self.hosts.of(uri)?;
        loop {
            let mut lease = match host.take() {
                Some(lease) => lease,
                None => Box::pin(self.connected(&host, uri)).await?,
            };
            departure.has_left();
            match lease.send(request).await {
                Ok(answer) => return Ok(Box::new(answer.map(|body| held(body, lease)))),
                Err(mut error) => {
                    let unsent = error.take_message();
                    let error = error.into_error();
                    let Some(unsent) = unsent else { return Err(Failure::Broke(error)) };
                    departure.has_stayed();
                    // One that was opened for it and closes at once is none.
                    if !lease.is_reused() {
                        return Err(Failure::NotConnected(error.into()));
                    }
                    request = Outgoing::new(unsent, operation, call);
                }
            }
            *request.uri_mut() = uri.clone();
        }
    }

    /// A connection that is opened for this request, or that another request has opened or done with first.
    async fn connected(&self, host: &Arc<Host>, uri: &Uri) -> Result<Lease, Failure> {
        let turn = match lease_or_turn(host).await {
            Found::Lease(lease) => return Ok(lease),
            Found::Turn(turn) => turn,
        };
        let mut connecting = (self.connect)(uri.clone());
        loop {
            let room = host.room();
            if let Some(lease) = host.take() {
                // What has begun is for the next one.
                let host = Arc::clone(host);
                tokio::spawn(async move {
                    let _turn = turn;
                    connecting.await.map(|connection| host.keep_new(connection))
                });
                return Ok(lease);
            }
            tokio::select! {
                biased;
                connection = &mut connecting => return connection.map(|connection| host.lease_new(connection)),
                () = room => {}
            }
        }
    }
}

/// The hosts that there are connections to, or calls. Few, so that looking through them is as fast as any map.
#[derive(Default)]
struct Hosts {
    known: Mutex<Vec<Arc<Host>>>,
    /// A task will come and close what is idle.
    is_swept: AtomicBool,
}

impl Hosts {
    fn of(self: &Arc<Self>, uri: &Uri) -> Result<Arc<Host>, Failure> {
        let Some(authority) = uri.authority() else {
            return Err(Failure::NotConnected("the address names no host".into()));
        };
        let mut known = self.known();
        if let Some(host) = known.iter().find(|host| host.is_at(authority)) {
            return Ok(Arc::clone(host));
        }
        // Hosts come and go, as storage does.
        known.retain(is_used);
        let host = Arc::new(Host::new(uri, authority.clone(), Arc::downgrade(self)));
        known.push(Arc::clone(&host));
        Ok(host)
    }

    /// Closes later what is not used until then.
    fn sweep_later(self: &Arc<Self>) {
        if self.is_swept.load(Ordering::Relaxed) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        if self.is_swept.swap(true, Ordering::Relaxed) {
            return;
        }
        let sweep = Sweep(Arc::downgrade(self));
        runtime.spawn(async move {
            tokio::time::sleep(IDLE).await;
            sweep.run();
        });
    }

    fn known(&self) -> MutexGuard<'_, Vec<Arc<Host>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a host is worth remembering: somebody has a call to it, or it has connections.
fn is_used(host: &Arc<Host>) -> bool {
    Arc::strong_count(host) > 1 || host.is_connected()
}

/// A sweep that is going to come. It does not when the runtime ends first; then the next one is up to others.
struct Sweep(Weak<Hosts>);

impl Sweep {
    fn run(self) {
        let hosts = self.0.upgrade();
        drop(self);
        let Some(hosts) = hosts else { return };
        let mut known = hosts.known();
        known.iter().for_each(|host| host.close_idle());
        known.retain(is_used);
        let is_empty = known.is_empty();
        drop(known);
        if !is_empty {
            hosts.sweep_later();
        }
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        if let Some(hosts) = self.0.upgrade() {
            hosts.is_swept.store(false, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod adverse;
#[cfg(test)]
mod crowds;
#[cfg(test)]
mod tests;
