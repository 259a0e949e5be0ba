//! The circuits of a client, one for each host it talks to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Uri;

use super::host::{Host, Settings};
use super::report::{Circuit, Gauge};
use crate::config::{CircuitBreakerConfig, DatabricksConfig};

/// How many hosts are remembered. Links may lead anywhere.
const LIMIT: usize = 64;

/// What the gauge calls the hosts that are not the workspace.
const OTHERS: &str = "storage";

/// The circuits of all hosts; shared by the stacks of a client.
#[derive(Debug)]
pub(crate) struct Circuits {
    config: CircuitBreakerConfig,
    /// How long an attempt may be silent, unless its operation says otherwise.
    timeout: Duration,
    /// The workspace, whose circuit is never forgotten.
    home: Option<Uri>,
    /// All hosts but the workspace under one name: storage has many.
    others: Arc<Gauge>,
    /// Counts the requests, so that the host asked longest ago is known.
    clock: AtomicU64,
    /// Few, so that looking through them is as fast as any map, and needs no key to be built.
    hosts: Mutex<Vec<Arc<Host>>>,
}

impl Circuits {
    pub(crate) fn new(config: &DatabricksConfig) -> Self {
        Self {
            config: config.circuit_breaker().clone(),
            timeout: config.timeout(),
            home: config.host().as_str().parse().ok(),
            clock: AtomicU64::new(0),
            others: Arc::new(Gauge::named(OTHERS.to_owned())),
            hosts: Mutex::default(),
        }
    }

    /// All circuits, in the order in which their hosts were first asked.
    pub(crate) fn all(&self) -> Vec<Circuit> {
        let hosts = self.hosts().clone();
        hosts.iter().map(|host| host.state()).collect()
    }

    /// The host that an address leads to. `None` where there is no circuit: it is turned off, or no host is named.
    pub(super) fn host(&self, uri: &Uri) -> Option<Arc<Host>> {
        if !self.config.enabled {
            return None;
        }
        let mut hosts = self.hosts();
        let host = match hosts.iter().find(|host| host.is_of(uri)) {
            Some(known) => Arc::clone(known),
            None => {
                let host = Arc::new(Host::new(uri, self.settings())?);
                make_room(&mut hosts);
                hosts.push(Arc::clone(&host));
                host
            }
        };
        host.use_as(self.clock.fetch_add(1, Ordering::Relaxed));
        Some(host)
    }

    fn settings(&self) -> Settings<'_> {
        let Self { config, timeout, home, others, clock: _, hosts: _ } = self;
        Settings { config, timeout: *timeout, home: home.as_ref(), others }
    }

    fn hosts(&self) -> MutexGuard<'_, Vec<Arc<Host>>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets the host asked longest ago whose circuit is closed; when none is, the one asked longest ago. Never the
/// workspace.
fn make_room(hosts: &mut Vec<Arc<Host>>) {
    if hosts.len() < LIMIT {
        return;
    }
    let others = hosts.iter().enumerate().filter(|(_, host)| !host.is_home);
    let first = others.min_by_key(|(_, host)| (!host.is_closed(), host.last_used()));
    if let Some((index, _)) = first {
        hosts.remove(index).forgotten();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::blame::Failure;
    use super::super::host::Admission;
    use super::super::machine::Verdict;
    use super::super::report::CircuitState;
    use super::*;
    use crate::error::{Error, ErrorKind};
    use crate::stack::CallState;
    use futures::FutureExt;

    const BAD: Verdict = Verdict::Failed(Failure { kind: ErrorKind::Connect, status: None });

    fn circuits() -> Circuits {
        circuits_with(CircuitBreakerConfig::default())
    }

    fn circuits_with(config: CircuitBreakerConfig) -> Circuits {
        Circuits::new(&DatabricksConfig::new("home.example").unwrap().with_circuit_breaker(config))
    }

    fn call() -> CallState {
        CallState::start(&http::Method::GET, Duration::MAX)
    }

    fn admit<'c>(circuits: &Circuits, uri: &str, call: &'c CallState) -> Option<Admission<'c>> {
        let host = circuits.host(&uri.parse().unwrap())?;
        Some(host.admit(None, call).now_or_never().expect("it waits").unwrap())
    }

    fn settle(circuits: &Circuits, uri: &str, verdict: Verdict) {
        admit(circuits, uri, &call()).unwrap().settle(verdict);
    }

    fn check(circuits: &Circuits, uri: &str) -> Result<(), Error> {
        circuits.host(&uri.parse().unwrap()).unwrap().check()
    }

    fn fail(circuits: &Circuits, uri: &str, times: usize) {
        for _ in 0..times {
            settle(circuits, uri, BAD);
        }
    }

    #[test]
    fn a_host_is_known_by_scheme_name_and_port_whatever_else_the_address_has() {
        let circuits = circuits();
        for same in ["https://h.example/a?sig=1", "https://H.EXAMPLE:443/b", "https://user:s3cret@h.example/"]
        {
            fail(&circuits, same, 1);
        }
        for other in ["https://h.example:8443/", "http://h.example/", "https://[::1]:1/"] {
            fail(&circuits, other, 1);
        }
        let seen: Vec<_> = circuits.all().into_iter().map(|c| (c.host, c.failures)).collect();
        let expected = [("h.example", 3), ("h.example:8443", 1), ("h.example:80", 1), ("[::1]:1", 1)];
        assert_eq!(seen, expected.map(|(host, failures)| (host.to_owned(), failures)));
        assert!(!format!("{circuits:?}").contains("s3cret"));
    }

    #[test]
    fn the_trouble_of_one_host_is_not_anothers() {
        let circuits = circuits();
        fail(&circuits, "https://a.example/", 5);
        assert_eq!(check(&circuits, "https://a.example/x").unwrap_err().kind(), ErrorKind::CircuitOpen);
        check(&circuits, "https://b.example/x").unwrap();
    }

    #[test]
    fn a_dropped_admission_gives_its_place_back() {
        let circuits = circuits_with(CircuitBreakerConfig::default().with_open_for(Duration::ZERO));
        fail(&circuits, "https://a.example/", 5);
        for _ in 0..10 {
            drop(admit(&circuits, "https://a.example/", &call()));
        }
        assert_eq!(circuits.all()[0].state, CircuitState::HalfOpen);
        for _ in 0..2 {
            settle(&circuits, "https://a.example/", Verdict::Works);
        }
        assert_eq!(circuits.all()[0].state, CircuitState::Closed);
    }

    #[test]
    fn hosts_are_bounded_and_those_in_trouble_are_remembered() {
        let circuits = circuits();
        fail(&circuits, "https://bad.example/", 5);
        for number in 0..LIMIT * 3 {
            settle(&circuits, &format!("https://h{number}.example/"), Verdict::Works);
        }
        let all = circuits.all();
        assert_eq!(
            (all.len(), all[0].host.as_str(), all[0].state),
            (LIMIT, "bad.example", CircuitState::Open)
        );
        for number in 0..LIMIT * 3 {
            fail(&circuits, &format!("https://worse{number}.example/"), 1);
        }
        assert_eq!(
            (circuits.all().len(), circuits.all()[0].state),
            (LIMIT, CircuitState::Open),
            "hosts that failed once do not push out one that is left alone"
        );
    }

    #[test]
    fn the_host_asked_longest_ago_is_forgotten_first_and_the_workspace_never() {
        let circuits = circuits();
        fail(&circuits, "https://HOME.example/", 1);
        for number in 0..LIMIT * 2 {
            fail(&circuits, &format!("https://h{number}.example/"), 5);
            // It fails at once, but it is asked.
            check(&circuits, "https://h0.example/").unwrap_err();
        }
        let all: Vec<_> =
            circuits.all().into_iter().map(|circuit| (circuit.host, circuit.failures)).collect();
        assert_eq!(all.len(), LIMIT);
        assert_eq!(all[0], ("home.example".to_owned(), 1));
        assert_eq!(all[1].0, "h0.example");
        assert_eq!(all[2].0, format!("h{}.example", LIMIT + 2));
    }

    #[test]
    fn without_a_breaker_or_a_host_everything_passes() {
        let off = circuits_with(CircuitBreakerConfig::off());
        assert!(off.host(&"https://h.example/".parse().unwrap()).is_none());
        assert!(circuits().host(&"/x".parse().unwrap()).is_none());
        assert!(off.all().is_empty());
    }
}
