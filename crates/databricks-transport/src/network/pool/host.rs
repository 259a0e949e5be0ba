//! The connections to one host, and who has them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use http::uri::Authority;
use http::{HeaderValue, Uri};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use super::{Hosts, IDLE};
use crate::network::connection::{Connection, Exchanged, Shared, Single};
use crate::place::{is_https, without_user};
use crate::service::Outgoing;

/// How many idle connections of HTTP/1 are kept for a host: what a burst of calls leaves behind does not pile up.
const MOST_IDLE: usize = 128;
/// So many calls share a connection. Servers allow 100 and more (RFC 9113 asks them to); a few are left for streams that
/// are over for us and not yet for the server.
const MOST_SHARING: usize = 90;
/// So many connections are shared. When all are full, the one with the fewest calls takes more.
const MOST_SHARED: usize = 16;

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

#[derive(Default)]
struct Open {
    /// Of HTTP/1, the one used last at the end.
    idle: Vec<Idle>,
    /// Of HTTP/2, the fullest first as a rule.
    shared: Vec<Kept>,
}

struct Idle {
    connection: Single,
    since: Instant,
}

struct Kept {
    connection: Shared,
    /// Since somebody looked for connections that are not.
    is_used: bool,
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
        Self { authority, header, open: Mutex::default(), room: Notify::new(), hosts }
    }

    pub(super) fn is_at(&self, authority: &Authority) -> bool {
        // As it was written first, nearly always.
        self.authority.as_str() == authority.as_str() || self.authority == *authority
    }

    pub(super) fn is_connected(&self) -> bool {
        let open = self.open();
        !open.idle.is_empty() || !open.shared.is_empty()
    }

    /// A connection for one request, if there is one.
    pub(super) fn take(self: &Arc<Self>) -> Option<Lease> {
        let mut open = self.open();
        let connection =
            open.idle().map(Connection::Single).or_else(|| open.place().map(Connection::Shared))?;
        drop(open);
        Some(Lease { host: Arc::clone(self), connection, is_reused: true })
    }

    /// A connection that was opened for one request. One of HTTP/2 is shared from now on, or is of no use when another
    /// was quicker.
    pub(super) fn lease_new(self: &Arc<Self>, connection: Connection) -> Lease {
        if let Connection::Shared(connection) = &connection {
            let mut open = self.open();
            if let Some(place) = open.place() {
                drop(open);
                return Lease {
                    host: Arc::clone(self),
                    connection: Connection::Shared(place),
                    is_reused: true,
                };
            }
            open.shared.push(Kept { connection: connection.clone(), is_used: true });
            drop(open);
            self.room.notify_waiters();
            self.sweep_later();
        }
        Lease { host: Arc::clone(self), connection, is_reused: false }
    }

    /// A connection that was opened, and whose request did not wait for it.
    pub(super) fn keep_new(self: &Arc<Self>, connection: Connection) {
        self.lease_new(connection).end();
    }

    /// Ends when there may be something to take, from now on.
    pub(super) fn room(&self) -> Notified<'_> {
        self.room.notified()
    }

    /// Closes what has not been used for long.
    pub(super) fn close_idle(&self) {
        let mut open = self.open();
        open.idle.retain(Idle::is_good);
        open.shared.retain_mut(|kept| {
            let is_used = std::mem::take(&mut kept.is_used) || kept.connection.calls() > 0;
            is_used && !kept.connection.is_closed()
        });
    }

    fn give_back(self: Arc<Self>, mut connection: Single) {
        if connection.is_ready() {
            return self.keep(connection);
        }
        // It still drains what nobody has read, or writes the rest of the request; or it is going to close.
        if let Ok(runtime) = Handle::try_current()
            && !connection.is_closed()
        {
            runtime.spawn(async move {
                if connection.becomes_ready().await {
                    self.keep(connection);
                }
            });
        }
    }

    fn keep(&self, connection: Single) {
        let mut open = self.open();
        if open.idle.len() >= MOST_IDLE {
            open.idle.retain(Idle::is_good);
        }
        if open.idle.len() < MOST_IDLE {
            open.idle.push(Idle { connection, since: Instant::now() });
        }
        drop(open);
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

impl Open {
    /// The idle connection used last.
    fn idle(&mut self) -> Option<Single> {
        while let Some(idle) = self.idle.pop() {
            if idle.is_good() {
                return Some(idle.connection);
            }
        }
        None
    }

    /// A place on a connection of HTTP/2.
    fn place(&mut self) -> Option<Shared> {
        self.shared.retain(|kept| !kept.connection.is_closed());
        let index = place_among(self.shared.iter().map(|kept| kept.connection.calls()))?;
        let kept = self.shared.get_mut(index)?;
        kept.is_used = true;
        Some(kept.connection.clone())
    }
}

impl Idle {
    fn is_good(&self) -> bool {
        self.connection.is_ready() && self.since.elapsed() < IDLE
    }
}

/// Which of the connections with so many calls takes another one: the first with room, or the emptiest of as many as there
/// may be. None when there may be one more.
fn place_among(calls: impl ExactSizeIterator<Item = usize> + Clone) -> Option<usize> {
    let with_room = calls.clone().position(|calls| calls < MOST_SHARING);
    if with_room.is_some() || calls.len() < MOST_SHARED {
        return with_room;
    }
    calls.enumerate().min_by_key(|(_, calls)| *calls).map(|(index, _)| index)
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
    fn a_call_takes_the_first_connection_with_room_or_a_new_one_and_else_the_emptiest() {
        let full = [MOST_SHARING; MOST_SHARED];
        let mut seventh_has_room = full;
        seventh_has_room[7] -= 1;
        let mut fifth_is_emptiest = full.map(|calls| calls + 7);
        fifth_is_emptiest[5] -= 1;
        let table: [(&[usize], Option<usize>); 7] = [
            (&[], None),
            (&[0], Some(0)),
            (&[MOST_SHARING - 1, 0], Some(0)),
            (&full[..3], None),
            (&full, Some(0)),
            (&seventh_has_room, Some(7)),
            (&fifth_is_emptiest, Some(5)),
        ];
        for (calls, expected) in table {
            assert_eq!(place_among(calls.iter().copied()), expected, "{calls:?}");
        }
    }

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
