//! The connections to one host, and who has them.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use http::uri::Authority;
use http::{HeaderValue, Uri};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::timeout;

use super::open::Open;
use super::opening::{Openings, Speaks};
use super::{Hosts, IDLE};
use crate::network::connection::{Connection, Exchanged, Single};
use crate::place::{is_https, without_user};
use crate::service::Outgoing;

/// A host with its connections.
pub(super) struct Host {
    authority: Authority,
    /// What the header of that name says.
    header: HeaderValue,
    open: Mutex<Open>,
    /// There is a connection to take, or a place on one.
    room: Notify,
    hosts: Weak<Hosts>,
}

/// A connection as one request has it.
pub(super) struct Lease {
    host: Arc<Host>,
    connection: Connection,
    is_reused: bool,
}

impl Host {
    pub(super) fn new(uri: &Uri, authority: Authority, hosts: Weak<Hosts>) -> Self {
        let header = header(uri, &authority);
        // Without TLS there is no HTTP/2.
        let speaks = if is_https(uri) { Speaks::Unknown } else { Speaks::Single };
        let open = Mutex::new(Open::to(speaks));
        Self { authority, header, open, room: Notify::new(), hosts }
    }

    pub(super) fn is_at(&self, authority: &Authority) -> bool {
        // As it was written first, nearly always.
        self.authority.as_str() == authority.as_str() || self.authority == *authority
    }

    pub(super) fn is_connected(&self) -> bool {
        !self.open().is_empty()
    }

    /// A connection for one request, if there is one.
    pub(super) fn take(self: &Arc<Self>) -> Option<Lease> {
        let mut open = self.open();
        let connection =
            open.idle().map(Connection::Single).or_else(|| open.place().map(Connection::Shared))?;
        drop(open);
        Some(Lease { host: Arc::clone(self), connection, is_reused: true })
    }

    /// A connection that was opened for one request. One of HTTP/2 is shared from now on, or is of no use when others were
    /// quicker and have places for all.
    pub(super) fn lease_new(self: &Arc<Self>, connection: Connection) -> Lease {
        let mut open = self.open();
        if let Connection::Shared(connection) = &connection {
            open.openings.found(Speaks::Shared);
            if let Some(place) = open.place_instead() {
                drop(open);
                return Lease {
                    host: Arc::clone(self),
                    connection: Connection::Shared(place),
                    is_reused: true,
                };
            }
            open.share(connection.clone());
            drop(open);
            self.news();
            self.sweep_later();
        } else {
            // Whoever waited for one of HTTP/2 learns of it when this turn ends.
            open.openings.found(Speaks::Single);
            drop(open);
        }
        Lease { host: Arc::clone(self), connection, is_reused: false }
    }

    /// A connection that was opened, and whose request did not wait for it.
    pub(super) fn keep_new(self: &Arc<Self>, connection: Connection) {
        self.lease_new(connection).end();
    }

    /// Ends when there may be something to take. It counts as waiting from now on, before anybody polls it: what becomes
    /// free for it while its owner looks a last time goes to nobody else.
    pub(super) fn room(&self) -> Pin<Box<Notified<'_>>> {
        let mut room = Box::pin(self.room.notified());
        room.as_mut().enable();
        room
    }

    /// All who wait for something to take look again.
    pub(super) fn news(&self) {
        self.room.notify_waiters();
    }

    /// Looks at the connections that are being opened, and is told how many calls may share one.
    pub(super) fn openings<T>(&self, look: impl FnOnce(&mut Openings, usize) -> T) -> T {
        let mut open = self.open();
        let usual = open.usual();
        look(&mut open.openings, usual)
    }

    /// Closes what has not been used for long.
    pub(super) fn close_idle(&self) {
        self.open().close_idle();
    }

    fn give_back(self: Arc<Self>, mut connection: Single) {
        if connection.is_ready() {
            return self.keep(connection);
        }
        // It still drains what nobody has read, or writes the rest of the request, which may never end; or it is going to
        // close.
        if let Ok(runtime) = Handle::try_current()
            && !connection.is_closed()
        {
            runtime.spawn(async move {
                if let Ok(true) = timeout(IDLE, connection.becomes_ready()).await {
                    self.keep(connection);
                }
            });
        }
    }

    fn keep(&self, connection: Single) {
        self.open().keep(connection);
        self.room.notify_one();
        self.sweep_later();
    }

    fn sweep_later(&self) {
        if let Some(hosts) = self.hosts.upgrade() {
            hosts.sweep_later();
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// Whether it was open before.
    pub(super) fn is_reused(&self) -> bool {
        self.is_reused
    }

    pub(super) async fn send(&mut self, request: Outgoing<'_>) -> Exchanged {
        self.connection.send(request, &self.host.header).await
    }

    /// Its request has been answered, and the answer was read or is not going to be.
    pub(super) fn end(self) {
        match self.connection {
            Connection::Single(connection) => self.host.give_back(connection),
            Connection::Shared(connection) => {
                drop(connection);
                self.host.room.notify_one();
            }
        }
    }
}

/// The host and the port, unless that is the usual one.
fn header(uri: &Uri, authority: &Authority) -> HeaderValue {
    let usual = if is_https(uri) { 443 } else { 80 };
    let text = match authority.port_u16() {
        Some(port) if port == usual => authority.host(),
        _ => without_user(authority.as_str()),
    };
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_header_names_the_port_unless_it_is_the_usual_one() {
        for (uri, expected) in [
            ("https://h.example/x", "h.example"),
            ("https://h.example:443/x", "h.example"),
            ("https://h.example:80/x", "h.example:80"),
            ("http://h.example:80/x", "h.example"),
            ("http://me@[::1]:8080/x", "[::1]:8080"),
        ] {
            let uri: Uri = uri.parse().unwrap();
            let authority = uri.authority().unwrap();
            assert_eq!(header(&uri, authority), expected, "{uri}");
        }
    }
}
