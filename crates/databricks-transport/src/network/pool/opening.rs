//! Whose turn it is to open a connection.
//!
//! A connection of HTTP/2 is for many calls, and which version a host speaks shows only with the first one. So of many calls
//! that come at once to a host that may speak HTTP/2 a few open one each, and the others wait for what comes of it: for a
//! while, since those few may fail or be long about it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use super::host::{Host, Lease};

/// So many connections are opened at a time to a host of which nothing is known yet.
const FIRST: usize = 8;
/// How long a call waits for connections that others open.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is known of a host, and who is about it.
#[derive(Debug)]
pub(super) struct Openings {
    speaks: Speaks,
    /// Connections that are being opened.
    under_way: usize,
    /// Calls that wait for what others open.
    waiting: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    /// HTTP/1: each call needs a connection of its own.
    Single,
    Shared,
    Unknown,
}

impl Openings {
    pub(super) fn of(speaks: Speaks) -> Self {
        Self { speaks, under_way: 0, waiting: 0 }
    }

    /// A connection has been opened, and this is what the host speaks on it.
    pub(super) fn found(&mut self, speaks: Speaks) {
        self.speaks = speaks;
    }

    /// Whether there are places for all who wait, and for one more.
    pub(super) fn are_served_by(&self, places: usize) -> bool {
        places > self.waiting
    }

    /// Whether those who wait need another connection, when each is for so many calls.
    fn are_too_few(&self, calls: usize) -> bool {
        match self.speaks {
            Speaks::Single => true,
            // Who opens one has a call itself.
            Speaks::Shared => self.waiting > self.under_way.saturating_mul(calls.saturating_sub(1)),
            Speaks::Unknown => self.under_way < FIRST,
        }
    }
}

/// What a call that found no connection comes to.
pub(super) enum Found {
    Lease(Lease),
    Turn(Turn),
}

/// A connection that is being opened, or not any more when this is dropped.
pub(super) struct Turn(Arc<Host>);

impl Turn {
    fn at(host: &Arc<Host>) -> Self {
        host.openings(|openings, _| openings.under_way += 1);
        Self(Arc::clone(host))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let somebody_waits = self.0.openings(|openings, _| {
            openings.under_way -= 1;
            openings.waiting > 0
        });
        // Whoever waited for it may have a turn now.
        if somebody_waits {
            self.0.news();
        }
    }
}

struct Waiting<'h>(&'h Host);

impl<'h> Waiting<'h> {
    fn at(host: &'h Host) -> Self {
        host.openings(|openings, _| openings.waiting += 1);
        Self(host)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.openings(|openings, _| openings.waiting -= 1);
    }
}

/// A connection that others have opened or done with, or a turn to open one.
pub(super) async fn lease_or_turn(host: &Arc<Host>) -> Found {
    let _waiting = Waiting::at(host);
    let mut patience = pin!(tokio::time::sleep(PATIENCE));
    loop {
        let room = host.room();
        if let Some(lease) = host.take() {
            return Found::Lease(lease);
        }
        let is_turn = host.openings(|openings, calls| {
            let is_turn = openings.are_too_few(calls);
            openings.under_way += usize::from(is_turn);
            is_turn
        });
        if is_turn {
            return Found::Turn(Turn(Arc::clone(host)));
        }
        tokio::select! {
            biased;
            () = &mut patience => return Found::Turn(Turn::at(host)),
            () = room => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_opened_as_those_who_wait_need() {
        let table = [
            (Speaks::Single, 1000, 1, true),
            (Speaks::Unknown, 0, 1, true),
            (Speaks::Unknown, FIRST - 1, 1000, true),
            (Speaks::Unknown, FIRST, 1000, false),
            (Speaks::Shared, 0, 1, true),
            (Speaks::Shared, 1, 89, false),
            (Speaks::Shared, 1, 90, true),
            (Speaks::Shared, 2, 178, false),
        ];
        for (speaks, under_way, waiting, expected) in table {
            let openings = Openings { speaks, under_way, waiting };
            assert_eq!(openings.are_too_few(90), expected, "{openings:?}");
        }
        // Where each connection is for one call, each call opens one.
        assert!(Openings { speaks: Speaks::Shared, under_way: 9, waiting: 1 }.are_too_few(1));
    }
}
