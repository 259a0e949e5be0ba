//! What happened, in an order that does not depend on who was faster: from exchanges to interactions.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use http::Method;

use crate::cassette::body::CassetteBody;
use crate::cassette::interaction::{CassetteRequest, Interaction, Outcome};

/// A request with its outcome, sanitized, and when it was under way on the player's own count.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) started: u64,
    pub(crate) ended: u64,
    pub(crate) request: CassetteRequest,
    pub(crate) outcome: Outcome,
    pub(crate) elapsed: Duration,
    /// Whether the network answered, and not a cassette.
    pub(crate) from_network: bool,
}

/// The exchanges as interactions: in order, equal answers in a row as one.
pub(crate) fn interactions(exchanges: Vec<Exchange>) -> Vec<Interaction> {
    let mut interactions: Vec<Interaction> = Vec::new();
    let mut latest: HashMap<String, usize> = HashMap::new();
    for Exchange { request, outcome, elapsed, .. } in ordered(exchanges) {
        let read = is_read(&request.method);
        let key = format!("{:?}\n{}", request.origin, request.path_and_query());
        let last = latest.get(&key).and_then(|index| interactions.get_mut(*index));
        if let Some(last) =
            last.filter(|last| read && last.request == request && same(&last.outcome, &outcome))
        {
            last.repeats = last.repeats.saturating_add(1);
            continue;
        }
        latest.insert(key, interactions.len());
        let mut interaction = Interaction::new(request, outcome);
        interaction.elapsed = elapsed;
        interactions.push(interaction);
    }
    interactions
}

fn same(outcome: &Outcome, other: &Outcome) -> bool {
    match (outcome, other) {
        (Outcome::Response(response), Outcome::Response(other)) => response.says_the_same(other),
        (outcome, other) => outcome == other,
    }
}

/// Whether a method changes nothing, so that the same request may be answered again.
pub(crate) fn is_read(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

/// Whether a read was answered that something is under way, so that only asking again brings news.
pub(crate) fn is_pending(interaction: &Interaction) -> bool {
    let body = interaction.response().map(|response| &response.body);
    is_read(&interaction.request.method) && body.is_some_and(is_under_way)
}

/// Whether a body says that something is under way: a statement, a run, a warehouse that starts.
pub(crate) fn is_under_way(body: &CassetteBody) -> bool {
    const WORK: [&str; 6] = ["PENDING", "RUNNING", "QUEUED", "BLOCKED", "WAITING_FOR_RETRY", "TERMINATING"];
    // A warehouse may run for ever.
    const MACHINES: [&str; 3] = ["STARTING", "STOPPING", "DELETING"];
    let CassetteBody::Json(body) = body else { return false };
    let state = |pointer: &str| body.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default();
    WORK.contains(&state("/status/state"))
        || WORK.contains(&state("/state/life_cycle_state"))
        || MACHINES.contains(&state("/state"))
}

/// Puts exchanges in order: what had ended before another started comes first; among those that were under way at
/// the same time, the ones that look smaller, whoever was faster.
fn ordered(mut exchanges: Vec<Exchange>) -> Vec<Exchange> {
    exchanges.sort_by_key(|exchange| exchange.started);
    // What is still to be placed, by its end; and what nothing unplaced comes before, by its looks.
    let mut ends: BTreeSet<u64> = exchanges.iter().map(|exchange| exchange.ended).collect();
    let mut ready: BTreeSet<(String, u64, usize)> = BTreeSet::new();
    let mut waiting = exchanges.iter().enumerate().map(|(index, e)| (e.started, index)).peekable();
    let mut order = Vec::with_capacity(exchanges.len());
    while let Some(first_end) = ends.first().copied() {
        while let Some((started, index)) = waiting.next_if(|(started, _)| *started < first_end) {
            let shape = exchanges.get(index).map(|e| e.request.shape()).unwrap_or_default();
            ready.insert((shape, started, index));
        }
        let Some((_, _, index)) = ready.pop_first() else { break };
        ends.remove(&exchanges.get(index).map_or(0, |exchange| exchange.ended));
        order.push(index);
    }
    let mut slots: Vec<Option<Exchange>> = exchanges.into_iter().map(Some).collect();
    order.into_iter().filter_map(|index| slots.get_mut(index).and_then(Option::take)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::cassette::interaction::CassetteResponse;
    use crate::request_log::Origin;
    use http::StatusCode;
    use proptest::prelude::*;
    use serde_json::json;

    fn exchange(started: u64, ended: u64, method: Method, path: &str, answer: serde_json::Value) -> Exchange {
        let response = CassetteResponse::new(StatusCode::OK, CassetteBody::Json(answer));
        Exchange {
            started,
            ended,
            request: CassetteRequest::new(method, Origin::Api, path),
            outcome: Outcome::Response(response),
            elapsed: Duration::from_millis(ended - started),
            from_network: true,
        }
    }

    fn get(started: u64, ended: u64, path: &str) -> Exchange {
        exchange(started, ended, Method::GET, path, json!(started))
    }

    fn paths(exchanges: Vec<Exchange>) -> Vec<String> {
        interactions(exchanges).into_iter().map(|interaction| interaction.request.path).collect()
    }

    #[test]
    fn sequential_exchanges_stay_in_their_order_and_concurrent_ones_do_not_depend_on_speed() {
        assert_eq!(paths(vec![get(2, 3, "/a"), get(0, 1, "/b")]), ["/b", "/a"]);
        assert_eq!(paths(vec![get(0, 5, "/c"), get(1, 4, "/b"), get(2, 3, "/a")]), ["/a", "/b", "/c"]);
        assert_eq!(paths(vec![get(2, 3, "/c"), get(1, 4, "/b"), get(0, 5, "/a")]), ["/a", "/b", "/c"]);
        // One long exchange does not mix up what came one after the other beside it.
        assert_eq!(paths(vec![get(0, 9, "/m"), get(1, 2, "/z"), get(3, 4, "/a")]), ["/m", "/z", "/a"]);
    }

    #[test]
    fn equal_answers_to_a_read_in_a_row_are_one_and_writes_stay_apart() {
        let poll = |at: u64, state: &str| {
            exchange(at, at + 1, Method::GET, "/s", json!({"status": {"state": state}}))
        };
        let other = |at: u64| exchange(at, at + 1, Method::POST, "/p", json!({}));
        let story = vec![poll(0, "RUNNING"), other(2), poll(4, "RUNNING"), other(6), poll(8, "SUCCEEDED")];
        let interactions = interactions(story);
        let seen: Vec<(&str, u32, bool)> =
            interactions.iter().map(|i| (i.request.path.as_str(), i.repeats, is_pending(i))).collect();
        assert_eq!(seen, [("/s", 2, true), ("/p", 1, false), ("/p", 1, false), ("/s", 1, false)]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_overtakes_what_it_waited_for(
            times in proptest::collection::vec((0_u64..50, 1_u64..20, 0_usize..4), 0..40)
        ) {
            // Every moment is another one, as on the player's count.
            let exchanges: Vec<Exchange> = times
                .iter()
                .enumerate()
                .map(|(n, (start, length, path))| {
                    let moment = |at: u64, last: u64| at * 1000 + n as u64 * 2 + last;
                    exchange(moment(*start, 0), moment(start + length, 1), Method::POST, ["/a", "/b", "/c", "/d"][*path], json!(n))
                })
                .collect();
            let order = ordered(exchanges.clone());
            prop_assert_eq!(order.len(), exchanges.len());
            for (place, earlier) in order.iter().enumerate() {
                for later in &order[place + 1..] {
                    prop_assert!(later.ended > earlier.started);
                }
            }
        }
    }
}
