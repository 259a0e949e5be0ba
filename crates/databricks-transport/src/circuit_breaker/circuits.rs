//! The circuits of a client, one for each host it talks to.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Uri;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::machine::{Machine, Refusal, Ticket, Verdict};
use super::report::{self, Circuit, CircuitState};
use crate::config::CircuitBreakerConfig;
use crate::error::Error;
use crate::place::{is_https, port};
use crate::stack::CallState;

/// How many hosts are remembered. Links may lead anywhere.
const LIMIT: usize = 64;

/// The circuits of all hosts; shared by the stacks of a client.
#[derive(Debug)]
pub(crate) struct Circuits {
    config: CircuitBreakerConfig,
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
    machine: Mutex<Machine>,
    /// A probe has ended, so that those who wait for its outcome look again.
    probed: Notify,
}

/// Leave to send one request to a host. Dropped, it gives its place back: the request was given up.
#[derive(Debug)]
pub(super) struct Admission {
    host: Arc<Host>,
    ticket: Option<Ticket>,
}

impl Circuits {
    pub(crate) fn new(config: CircuitBreakerConfig) -> Self {
        Self { config, hosts: Mutex::default() }
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
    /// waits for what they find. `None` where there is no circuit: it is turned off, or no host is named.
    pub(super) async fn admit(&self, uri: &Uri, state: &CallState) -> Result<Option<Admission>, Error> {
        let Some(host) = self.host(uri) else { return Ok(None) };
        let ticket = host.after_probes(state, || host.admit()).await?;
        Ok(Some(Admission { host, ticket: Some(ticket) }))
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
        Some(known.unwrap_or_else(|| {
            let host = Arc::new(Host::new(https, name, port, &self.config));
            make_room(&mut hosts);
            hosts.push(Arc::clone(&host));
            host
        }))
    }

    fn hosts(&self) -> MutexGuard<'_, Vec<Arc<Host>>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets a host that gives no trouble; when all do, the one known for longest.
fn make_room(hosts: &mut Vec<Arc<Host>>) {
    if hosts.len() < LIMIT {
        return;
    }
    let calm = hosts.iter().position(|host| host.machine().is_at_rest());
    let forgotten = hosts.remove(calm.unwrap_or(0));
    if calm.is_none() {
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
            machine: Mutex::new(Machine::new(config.clone())),
            probed: Notify::new(),
        }
    }

    fn is(&self, https: bool, name: &str, port: u16) -> bool {
        self.https == https && self.port == port && self.name.eq_ignore_ascii_case(name)
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        // The machine is valid after every statement, so a panic elsewhere cannot have broken it.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self) -> Result<Ticket, Refusal> {
        let now = Instant::now();
        self.update(now, |machine| machine.admit(now))
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
        self.finish(Verdict::Unknown);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::blame::Failure;
    use super::*;
    use crate::error::ErrorKind;
    use futures::FutureExt;

    const BAD: Verdict = Verdict::Failed(Failure { kind: ErrorKind::Connect, status: None });

    fn circuits() -> Circuits {
        Circuits::new(CircuitBreakerConfig::default())
    }

    fn admit(circuits: &Circuits, uri: &str) -> Option<Admission> {
        let state = CallState::start(&http::Method::GET, std::time::Duration::MAX);
        let admitted = circuits.admit(&uri.parse().unwrap(), &state).now_or_never();
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
        let circuits =
            Circuits::new(CircuitBreakerConfig::default().with_open_for(std::time::Duration::ZERO));
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
        assert_eq!(circuits.all().len(), LIMIT);
    }

    #[test]
    fn without_a_breaker_or_a_host_everything_passes() {
        let off = Circuits::new(CircuitBreakerConfig::off());
        assert!(admit(&off, "https://h.example/").is_none());
        assert!(admit(&circuits(), "/x").is_none());
        assert!(off.all().is_empty());
    }
}
