//! Several connections of HTTP/2 to a host: a server lets only so many calls share one, and hyper keeps one per pool.
//!
//! A call beyond the server's limit would wait, unsent, for another one to end, and its clock would run. So the calls
//! to a host are spread over lanes, pools of their own: the first takes all until it is full, then the second.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::uri::Authority;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper_util::client::legacy::Error as HyperError;

use super::pool::{Connector, Pool, pool};
use super::wire::TlsWire;
use crate::body::Body;
use crate::service::BoxError;

/// So many calls share a connection. Servers allow 100 and more (RFC 9113 asks them to); a few are left for streams that
/// are over for us and not yet for the server.
pub(super) const MOST_IN_LANE: u16 = 90;
/// So many lanes. When all are full, the one with the fewest calls takes more.
const LANES: usize = 16;

/// Pools for https. Those for HTTP/1 stay in effect what they are: as many connections as there are calls at a time.
#[derive(Debug)]
pub(super) struct Lanes {
    pools: Box<[Pool<TlsWire>; LANES]>,
    load: Arc<Load>,
}

impl Lanes {
    /// Pools cost nothing until they are used.
    pub(super) fn new(connector: &Connector<TlsWire>) -> Self {
        Self { pools: Box::new(std::array::from_fn(|_| pool(connector.clone()))), load: Arc::default() }
    }

    /// Sends a request over the lane that has room. Its place is free again when its answer has been read or is dropped.
    pub(super) async fn request(&self, request: Request<Body>) -> Result<Response<Body>, HyperError> {
        let host = request.uri().authority().cloned();
        let place = host.map(|host| Load::enter(&self.load, host));
        let [first, ..] = &*self.pools;
        let lane = place.as_ref().and_then(|place| self.pools.get(place.lane)).unwrap_or(first);
        let answer = lane.request(request).await?;
        Ok(answer.map(|body| held(body, place)))
    }
}

/// How many calls are under way, by host and lane.
#[derive(Debug, Default)]
struct Load(Mutex<HashMap<Authority, [u16; LANES]>>);

impl Load {
    fn enter(load: &Arc<Self>, host: Authority) -> Place {
        let mut hosts = load.lock();
        let calls = hosts.entry(host.clone()).or_default();
        let lane = lane_for(calls);
        if let Some(calls) = calls.get_mut(lane) {
            *calls = calls.saturating_add(1);
        }
        drop(hosts);
        Place { load: Arc::clone(load), host, lane }
    }

    fn leave(&self, host: &Authority, lane: usize) {
        let mut hosts = self.lock();
        let Some(calls) = hosts.get_mut(host) else { return };
        if let Some(calls) = calls.get_mut(lane) {
            *calls = calls.saturating_sub(1);
        }
        // Hosts come and go, as storage does: only those with calls under way are remembered.
        if calls.iter().all(|calls| *calls == 0) {
            hosts.remove(host);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Authority, [u16; LANES]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first lane with room, else the emptiest.
fn lane_for(calls: &[u16; LANES]) -> usize {
    let with_room = calls.iter().position(|calls| *calls < MOST_IN_LANE);
    let emptiest = || calls.iter().enumerate().min_by_key(|(_, calls)| **calls).map(|(lane, _)| lane);
    with_room.or_else(emptiest).unwrap_or_default()
}

/// A call's place in a lane, given back when this is dropped.
#[derive(Debug)]
struct Place {
    load: Arc<Load>,
    host: Authority,
    lane: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.load.leave(&self.host, self.lane);
    }
}

/// An answer's body, which keeps the place as long as it keeps the stream.
fn held<B>(body: B, place: Option<Place>) -> Body
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin + Send + 'static,
{
    if body.is_end_stream() {
        return Body::wrap(body);
    }
    Body::wrap(Held { body, place })
}

struct Held<B> {
    body: B,
    place: Option<Place>,
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Held<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) || self.body.is_end_stream() {
            self.place = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn host(name: &str) -> Authority {
        name.parse().unwrap()
    }

    #[test]
    fn the_first_lane_with_room_is_taken_and_else_the_emptiest() {
        let full = [MOST_IN_LANE; LANES];
        let mut table = vec![([0; LANES], 0), (full, 0)];
        let mut calls = full;
        calls[3] -= 1;
        table.push((calls, 3));
        let mut calls = full.map(|calls| calls + 7);
        calls[5] -= 1;
        table.push((calls, 5));
        for (calls, expected) in table {
            assert_eq!(lane_for(&calls), expected, "{calls:?}");
        }
    }

    #[test]
    fn hosts_are_counted_apart_and_forgotten_when_nothing_is_under_way() {
        let load = Arc::default();
        let enter = |name, calls| (0..calls).map(|_| Load::enter(&load, host(name))).collect::<Vec<_>>();
        let busy = enter("a.example", usize::from(MOST_IN_LANE) + 1);
        assert_eq!((busy[0].lane, busy[busy.len() - 1].lane), (0, 1));
        let other = enter("b.example", 1);
        assert_eq!(other[0].lane, 0);
        drop(other);
        assert_eq!(load.lock().len(), 1);
        drop(busy);
        assert!(load.lock().is_empty());
    }

    proptest! {
        #[test]
        fn places_given_back_in_any_order_leave_nothing(steps in prop::collection::vec(0_usize..400, 0..600)) {
            let load = Arc::default();
            let mut places = Vec::new();
            for step in steps {
                if step < places.len() {
                    places.swap_remove(step);
                } else {
                    places.push(Load::enter(&load, host("h.example")));
                }
                let counted: u16 = load.lock().values().flatten().sum();
                prop_assert_eq!(usize::from(counted), places.len());
                prop_assert!(load.lock().values().flatten().all(|calls| *calls <= MOST_IN_LANE));
            }
            drop(places);
            prop_assert!(load.lock().is_empty());
        }
    }
}
