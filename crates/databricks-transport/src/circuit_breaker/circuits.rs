//! The circuits of a client, one for each host it talks to.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Uri;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::blame::Failure;
use super::machine::{Machine, Refusal, Ticket, Verdict};
use super::report::{self, Circuit, CircuitState};
use crate::config::{CircuitBreakerConfig, DatabricksConfig};
use crate::error::{Error, ErrorKind};
use crate::place::{is_https, port};
use crate::stack::CallState;

/// How many hosts are remembered. Links may lead anywhere.
const LIMIT: usize = 64;

/// What a probe may take beyond its silence, so that one which ends by itself tells what it met.
const GRACE: Duration = Duration::from_secs(1);

/// The circuits of all hosts; shared by the stacks of a client.
#[derive(Debug)]
pub(crate) struct Circuits {
    config: CircuitBreakerConfig,
    /// How long an attempt may be silent, unless its operation says otherwise.
    timeout: Duration,
    /// The workspace, whose circuit is never forgotten.
    home: Option<Uri>,
    /// Counts the requests, so that the host asked longest ago is known.
    clock: AtomicU64,
    /// Few, so that looking through them is as fast as any map, and needs no key to be built.
    hosts: Mutex<Vec<Arc<Host>>>,
}

/// One host and its circuit.
#[derive(Debug)]
struct Host {
    https: bool,
    name: String,
    port: u16,
    /// Name and port, for messages and metrics.
    label: String,
    is_home: bool,
    /// The number of the last request to it.
    used: AtomicU64,
    machine: Mutex<Machine>,
    /// A probe has ended, so that those who wait for its outcome look again.
    probed: Notify,
}

/// Leave to send one request to a host. Dropped, it gives its place back: the request was given up.
#[derive(Debug)]
pub(super) struct Admission {
    host: Arc<Host>,
    ticket: Option<Ticket>,
    state: Arc<CallState>,
}

impl Circuits {
    pub(crate) fn new(config: &DatabricksConfig) -> Self {
        Self {
            config: config.circuit_breaker().clone(),
            timeout: config.timeout(),
            home: config.host().as_str().parse().ok(),
            clock: AtomicU64::new(0),
            hosts: Mutex::default(),
        }
    }

    /// All circuits, in the order in which their hosts were first asked.
    pub(crate) fn all(&self) -> Vec<Circuit> {
        let hosts = self.hosts().clone();
        hosts.iter().map(|host| host.circuit(&host.machine(), Instant::now())).collect()
    }

    /// Refuses what an open circuit would not let through.
    pub(super) fn check(&self, uri: &Uri) -> Result<(), Error> {
        let Some(host) = self.host(uri) else { return Ok(()) };
        let checked = host.machine().check(Instant::now());
        match checked {
            Err(Refusal::Open { remaining, cause }) => Err(report::refused(&host.label, remaining, cause)),
            // What the probes find out is waited for where requests are admitted.
            Ok(()) | Err(Refusal::Probing { .. }) => Ok(()),
        }
    }

    /// Lets a request through, or refuses it while the circuit is open. While the host is being tried again by others, it
    /// waits for what they find. `silence` is how long the operation allows the server to be silent, if it says so itself.
    /// `None` where there is no circuit: it is turned off, or no host is named.
    pub(super) async fn admit(
        &self,
        uri: &Uri,
        silence: Option<Duration>,
        state: &Arc<CallState>,
    ) -> Result<Option<Admission>, Error> {
        let Some(host) = self.host(uri) else { return Ok(None) };
        let takes = silence.unwrap_or(self.timeout).saturating_add(GRACE);
        let ticket = host.after_probes(state, || host.admit(takes)).await?;
        Ok(Some(Admission { host, ticket: Some(ticket), state: Arc::clone(state) }))
    }

    /// Waits, as [`admit`](Self::admit) does, until a request would be let through; takes no place.
    pub(super) async fn ready(&self, uri: &Uri, state: &CallState) -> Result<(), Error> {
        let Some(host) = self.host(uri) else { return Ok(()) };
        host.after_probes(state, || host.machine().check(Instant::now())).await
    }

    fn host(&self, uri: &Uri) -> Option<Arc<Host>> {
        let name = uri.host().filter(|_| self.config.enabled)?;
        let (https, port) = (is_https(uri), port(uri));
        let mut hosts = self.hosts();
        let known = hosts.iter().find(|host| host.is(https, name, port)).map(Arc::clone);
        let host = known.unwrap_or_else(|| {
            let host = Arc::new(self.new_host(https, name, port));
            make_room(&mut hosts);
            hosts.push(Arc::clone(&host));
            host
        });
        host.used.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        Some(host)
    }

    fn new_host(&self, https: bool, name: &str, port: u16) -> Host {
        let mut host = Host::new(https, name, port, &self.config);
        host.is_home = self.home.as_ref().is_some_and(|home| host.is_of(home));
        host
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
    let first = others.min_by_key(|(_, host)| (!host.is_closed(), host.used.load(Ordering::Relaxed)));
    let Some((index, _)) = first else { return };
    let forgotten = hosts.remove(index);
    if !forgotten.is_closed() {
        report::gauge(&forgotten.label, CircuitState::Closed);
    }
}

impl Host {
    fn new(https: bool, name: &str, port: u16, config: &CircuitBreakerConfig) -> Self {
        let name = name.to_ascii_lowercase();
        let label = if https && port == 443 { name.clone() } else { format!("{name}:{port}") };
        report::gauge(&label, CircuitState::Closed);
        Self {
            https,
            name,
            port,
            label,
            is_home: false,
            used: AtomicU64::new(0),
            machine: Mutex::new(Machine::new(config.clone())),
            probed: Notify::new(),
        }
    }

    fn is(&self, https: bool, name: &str, port: u16) -> bool {
        self.https == https && self.port == port && self.name.eq_ignore_ascii_case(name)
    }

    fn is_of(&self, uri: &Uri) -> bool {
        uri.host().is_some_and(|name| self.is(is_https(uri), name, port(uri)))
    }

    fn is_closed(&self) -> bool {
        self.machine().state() == CircuitState::Closed
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        // The machine is valid after every statement, so a panic elsewhere cannot have broken it.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, takes: Duration) -> Result<Ticket, Refusal> {
        let now = Instant::now();
        self.update(now, |machine| machine.admit(now, takes))
    }

    /// What its machine says when it is asked so, once the outcome of the probes under way is known.
    async fn after_probes<T>(
        &self,
        state: &CallState,
        ask: impl Fn() -> Result<T, Refusal>,
    ) -> Result<T, Error> {
        if let Ok(answer) = self.known(ask()) {
            return answer;
        }
        state.waits_for_probe(true);
        let answer = loop {
            let mut probed = pin!(self.probed.notified());
            // From here on no outcome is missed.
            probed.as_mut().enable();
            match self.known(ask()) {
                Ok(answer) => break answer,
                // Either way it looks again.
                Err(until) => drop(tokio::time::timeout_at(until, probed).await),
            }
        };
        state.waits_for_probe(false);
        answer
    }

    /// An answer for the caller, or until when probes may run.
    fn known<T>(&self, answer: Result<T, Refusal>) -> Result<Result<T, Error>, Instant> {
        match answer {
            Ok(answer) => Ok(Ok(answer)),
            Err(Refusal::Open { remaining, cause }) => {
                Ok(Err(report::refused(&self.label, remaining, cause)))
            }
            Err(Refusal::Probing { until }) => Err(until),
        }
    }

    /// Changes the machine, and tells of a change of state.
    fn update<T>(&self, now: Instant, change: impl FnOnce(&mut Machine) -> T) -> T {
        let mut machine = self.machine();
        let before = machine.state();
        let result = change(&mut machine);
        if before == machine.state() {
            return result;
        }
        // While it is locked, so that the gauge shows the last of several changes.
        report::gauge(&self.label, machine.state());
        let circuit = self.circuit(&machine, now);
        drop(machine);
        report::log(before, &circuit);
        result
    }

    fn circuit(&self, machine: &Machine, now: Instant) -> Circuit {
        Circuit {
            host: self.label.clone(),
            state: machine.state(),
            failures: machine.failures(),
            last_failure: machine.cause().map(|cause| cause.to_string()),
            retry_in: machine.open_until().map(|until| until.saturating_duration_since(now)),
        }
    }
}

impl Admission {
    /// Tells what became of the request. While the circuit is open: until when.
    pub(super) fn settle(mut self, verdict: Verdict) -> Option<Instant> {
        self.finish(verdict)
    }

    fn finish(&mut self, verdict: Verdict) -> Option<Instant> {
        let ticket = self.ticket.take()?;
        let now = Instant::now();
        let (was, open_until) = self.host.update(now, |machine| {
            let was = machine.state();
            machine.settle(ticket, verdict, now);
            (was, machine.open_until())
        });
        if was != CircuitState::Closed {
            self.host.probed.notify_waiters();
        }
        open_until
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        // A call that ends at its own deadline, after it has heard nothing for long, tells of the host; one that its
        // caller gives up does not.
        let silence = Failure { kind: ErrorKind::Timeout, status: None };
        let verdict = if self.state.is_silent() { Verdict::Failed(silence) } else { Verdict::Unknown };
        self.finish(verdict);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use futures::FutureExt;

    const BAD: Verdict = Verdict::Failed(Failure { kind: ErrorKind::Connect, status: None });

    fn circuits() -> Circuits {
        circuits_with(CircuitBreakerConfig::default())
    }

    fn circuits_with(config: CircuitBreakerConfig) -> Circuits {
        Circuits::new(&DatabricksConfig::new("home.example").unwrap().with_circuit_breaker(config))
    }

    fn admit(circuits: &Circuits, uri: &str) -> Option<Admission> {
        let state = CallState::start(&http::Method::GET, Duration::MAX);
        let admitted = circuits.admit(&uri.parse().unwrap(), None, &state).now_or_never();
        admitted.expect("it waits").unwrap()
    }

    fn fail(circuits: &Circuits, uri: &str, times: usize) {
        for _ in 0..times {
            admit(circuits, uri).unwrap().settle(BAD);
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
        assert_eq!(
            circuits.check(&"https://a.example/x".parse().unwrap()).unwrap_err().kind(),
            ErrorKind::CircuitOpen
        );
        circuits.check(&"https://b.example/x".parse().unwrap()).unwrap();
    }

    #[test]
    fn a_dropped_admission_gives_its_place_back() {
        let circuits = circuits_with(CircuitBreakerConfig::default().with_open_for(Duration::ZERO));
        fail(&circuits, "https://a.example/", 5);
        for _ in 0..10 {
            drop(admit(&circuits, "https://a.example/"));
        }
        assert_eq!(circuits.all()[0].state, CircuitState::HalfOpen);
        for _ in 0..2 {
            admit(&circuits, "https://a.example/").unwrap().settle(Verdict::Works);
        }
        assert_eq!(circuits.all()[0].state, CircuitState::Closed);
    }

    #[test]
    fn hosts_are_bounded_and_those_in_trouble_are_remembered() {
        let circuits = circuits();
        fail(&circuits, "https://bad.example/", 5);
        for number in 0..LIMIT * 3 {
            admit(&circuits, &format!("https://h{number}.example/")).unwrap().settle(Verdict::Works);
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
            circuits.check(&"https://h0.example/".parse().unwrap()).unwrap_err();
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
        assert!(admit(&off, "https://h.example/").is_none());
        assert!(admit(&circuits(), "/x").is_none());
        assert!(off.all().is_empty());
    }
}
