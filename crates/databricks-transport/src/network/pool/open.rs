//! The open connections to one host, and which of them takes the next request.

use tokio::time::Instant;

use super::IDLE;
use super::opening::{Openings, Speaks};
use crate::network::connection::{Shared, Single};

/// How many idle connections of HTTP/1 are kept for a host: what a burst of calls leaves behind does not pile up.
const MOST_IDLE: usize = 128;
/// So many calls share a connection, or fewer if its server says so. Servers allow 100 and more (RFC 9113 asks them to); a
/// few are left for streams that are over for us and not yet for the server.
const MOST_SHARING: usize = 90;
/// So many connections are shared. When all are full, the one with the fewest calls takes more.
const MOST_SHARED: usize = 16;

/// The connections to one host that a request may have.
pub(super) struct Open {
    /// Of HTTP/1, the one used last at the end.
    idle: Vec<Idle>,
    /// Of HTTP/2, the fullest first as a rule.
    shared: Vec<Kept>,
    /// So many calls share one of those whose server has not said yet how many may: as many as shared others.
    usual: usize,
    pub(super) openings: Openings,
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

impl Open {
    pub(super) fn to(speaks: Speaks) -> Self {
        Self { idle: Vec::new(), shared: Vec::new(), usual: MOST_SHARING, openings: Openings::of(speaks) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.idle.is_empty() && self.shared.is_empty()
    }

    /// Keeps one of HTTP/1 for the next request, if there are not too many.
    pub(super) fn keep(&mut self, connection: Single) {
        if self.idle.len() >= MOST_IDLE {
            self.idle.retain(Idle::is_good);
        }
        if self.idle.len() < MOST_IDLE {
            self.idle.push(Idle { connection, since: Instant::now() });
        }
    }

    /// Shares one of HTTP/2 from now on.
    pub(super) fn share(&mut self, connection: Shared) {
        self.shared.push(Kept { connection, is_used: true });
    }

    /// Closes what has not been used for long.
    pub(super) fn close_idle(&mut self) {
        self.idle.retain(Idle::is_good);
        self.shared.retain_mut(|kept| {
            let is_used = std::mem::take(&mut kept.is_used) || kept.connection.calls() > 0;
            is_used && !kept.connection.is_closed()
        });
    }

    /// The idle connection used last.
    pub(super) fn idle(&mut self) -> Option<Single> {
        while let Some(last) = self.idle.iter().rposition(|idle| idle.connection.is_here()) {
            let idle = self.idle.remove(last);
            if idle.is_good() {
                return Some(idle.connection);
            }
        }
        None
    }

    /// A place on a connection of HTTP/2.
    pub(super) fn place(&mut self) -> Option<Shared> {
        self.shared.retain(|kept| !kept.connection.is_closed());
        let usual = self.usual();
        let here = self.shared.iter().filter(|kept| kept.connection.is_here());
        let index = place_among(here.map(|kept| kept.calls(usual)))?;
        let kept = self.shared.iter_mut().filter(|kept| kept.connection.is_here()).nth(index)?;
        kept.is_used = true;
        Some(kept.connection.clone())
    }

    /// A place for whoever has opened another connection, when there are places for all who wait, or as many connections as
    /// there may be.
    pub(super) fn place_instead(&mut self) -> Option<Shared> {
        let places = self.places();
        if self.openings.are_served_by(places) || self.shared.len() >= MOST_SHARED {
            self.place()
        } else {
            None
        }
    }

    /// The places that are free on connections of HTTP/2.
    fn places(&mut self) -> usize {
        let usual = self.usual();
        let is_open = |kept: &&Kept| kept.connection.is_here() && !kept.connection.is_closed();
        let open = self.shared.iter().filter(is_open);
        open.map(|kept| kept.calls(usual)).map(|calls| calls.most.saturating_sub(calls.on)).sum()
    }

    /// So many calls share a connection whose server has not said yet how many may.
    pub(super) fn usual(&mut self) -> usize {
        if let Some(said) = self.shared.iter().find_map(|kept| kept.connection.most_calls()) {
            self.usual = said.clamp(1, MOST_SHARING);
        }
        self.usual
    }
}

impl Kept {
    /// The calls on it, and how many there may be.
    fn calls(&self, usual: usize) -> Calls {
        let most = self.connection.most_calls().unwrap_or(usual).clamp(1, MOST_SHARING);
        Calls { on: self.connection.calls(), most }
    }
}

impl Idle {
    fn is_good(&self) -> bool {
        self.connection.is_ready() && self.since.elapsed() < IDLE
    }
}

/// The calls on a connection.
#[derive(Clone, Copy, Debug)]
struct Calls {
    on: usize,
    most: usize,
}

/// Which of the connections with such calls takes another one: the first with room, or the emptiest of as many as there
/// may be. None when there may be one more.
fn place_among(all: impl Iterator<Item = Calls>) -> Option<usize> {
    let mut count = 0;
    let mut emptiest = None;
    for (index, calls) in all.enumerate() {
        if calls.on < calls.most {
            return Some(index);
        }
        count += 1;
        let beyond = calls.on - calls.most;
        if emptiest.is_none_or(|(_, least)| beyond < least) {
            emptiest = Some((index, beyond));
        }
    }
    emptiest.filter(|_| count >= MOST_SHARED).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
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
            let most_allowed = calls.iter().map(|on| Calls { on: *on, most: MOST_SHARING });
            assert_eq!(place_among(most_allowed), expected, "{calls:?}");
        }
        // Two of them are full sooner.
        let few = [Calls { on: 10, most: 10 }, Calls { on: 1, most: 1 }, Calls { on: 11, most: 12 }];
        assert_eq!(place_among(few.into_iter()), Some(2));
        assert_eq!(place_among(few.into_iter().take(2)), None);
    }
}
