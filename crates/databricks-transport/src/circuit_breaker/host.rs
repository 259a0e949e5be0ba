//! One host and its circuit: what is asked of it before a request is sent, and what it is told afterwards.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Uri;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::blame::Failure;
use super::machine::{Machine, Refusal, Ticket, Verdict};
use super::report::{self, Circuit, CircuitState, Gauge};
use crate::config::CircuitBreakerConfig;
use crate::error::{Error, ErrorKind};
use crate::place::{is_https, port, without_user};
use crate::stack::CallState;

/// What a probe may take beyond its silence, so that one which ends by itself tells what it met.
const GRACE: Duration = Duration::from_secs(1);

/// One host and its circuit.
#[derive(Debug)]
pub(crate) struct Host {
    address: Address,
    /// Whether it is the workspace.
    pub(super) is_home: bool,
    /// The number of the last request to it.
    used: AtomicU64,
    /// How long an attempt may be silent, unless its operation says otherwise.
    timeout: Duration,
    gauge: Arc<Gauge>,
    /// Nobody shows it any more; requests that were under way still end.
    is_forgotten: AtomicBool,
    machine: Mutex<Machine>,
    /// A probe has ended, so that those who wait for its outcome look again.
    probed: Notify,
}

/// Leave to send one request to a host. Dropped, it gives its place back: the request was given up.
#[derive(Debug)]
pub(super) struct Admission<'c> {
    host: Arc<Host>,
    ticket: Option<Ticket>,
    call: &'c CallState,
}

impl Host {
    pub(super) fn new(uri: &Uri, settings: Settings<'_>) -> Option<Self> {
        let Settings { config, timeout, home, others } = settings;
        let address = Address::of(uri)?;
        let is_home = home.is_some_and(|home| address.is_of(home));
        let gauge = if is_home { Arc::new(Gauge::named(address.to_string())) } else { Arc::clone(others) };
        gauge.enters(CircuitState::Closed);
        Some(Self {
            address,
            is_home,
            used: AtomicU64::new(0),
            timeout,
            gauge,
            is_forgotten: AtomicBool::new(false),
            machine: Mutex::new(Machine::new(config.clone())),
            probed: Notify::new(),
        })
    }

    /// Whether an address leads to it.
    pub(super) fn is_of(&self, uri: &Uri) -> bool {
        self.address.is_of(uri)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.machine().is_closed()
    }

    /// It is not remembered any more.
    pub(super) fn forgotten(&self) {
        let machine = self.machine();
        self.is_forgotten.store(true, Ordering::Relaxed);
        self.gauge.leaves(machine.state());
    }

    /// Notes that it is asked, and when in the order of all requests.
    pub(super) fn use_as(&self, number: u64) {
        self.used.store(number, Ordering::Relaxed);
    }

    pub(super) fn last_used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn state(&self) -> Circuit {
        self.circuit(&self.machine(), Instant::now())
    }

    /// Refuses what an open circuit would not let through.
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.checked() {
            Err(Refusal::Open { remaining, cause }) => Err(report::refused(&self.address, remaining, cause)),
            // What the probes find out is waited for where requests are admitted.
            Ok(()) | Err(Refusal::Probing { .. }) => Ok(()),
        }
    }

    /// Lets a request through, or refuses it while the circuit is open. While the host is being tried again by others, it
    /// waits for what they find. `silence` is how long the operation allows the server to be silent, if it says so itself.
    pub(super) async fn admit<'c>(
        self: Arc<Self>,
        silence: Option<Duration>,
        call: &'c CallState,
    ) -> Result<Admission<'c>, Error> {
        let takes = silence.unwrap_or(self.timeout).saturating_add(GRACE);
        let at_once = self.machine().admit_at_once();
        if let Some(ticket) = at_once {
            return Ok(Admission { host: self, ticket: Some(ticket), call });
        }
        let admit = || {
            let now = Instant::now();
            self.update(now, |machine| machine.admit(now, takes))
        };
        let ticket = Box::pin(self.after_probes(call, admit)).await?;
        Ok(Admission { host: self, ticket: Some(ticket), call })
    }

    /// Waits, as [`admit`](Self::admit) does, until a request would be let through; takes no place.
    pub(super) async fn ready(&self, call: &CallState) -> Result<(), Error> {
        if self.is_closed() {
            return Ok(());
        }
        Box::pin(self.after_probes(call, || self.checked())).await
    }

    /// Whether a request would be let through now. The clock is read where it matters.
    fn checked(&self) -> Result<(), Refusal> {
        let machine = self.machine();
        if machine.is_closed() { Ok(()) } else { machine.check(Instant::now()) }
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        // The machine is valid after every statement, so a panic elsewhere cannot have broken it.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What its machine says when it is asked so, once the outcome of the probes under way is known.
    async fn after_probes<T>(
        &self,
        call: &CallState,
        ask: impl Fn() -> Result<T, Refusal>,
    ) -> Result<T, Error> {
        if let Ok(answer) = self.known(ask()) {
            return answer;
        }
        call.waits_for_probe(true);
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
        call.waits_for_probe(false);
        answer
    }

    /// An answer for the caller, or until when probes may run.
    fn known<T>(&self, answer: Result<T, Refusal>) -> Result<Result<T, Error>, Instant> {
        match answer {
            Ok(answer) => Ok(Ok(answer)),
            Err(Refusal::Open { remaining, cause }) => {
                Ok(Err(report::refused(&self.address, remaining, cause)))
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
        if !self.is_forgotten.load(Ordering::Relaxed) {
            self.gauge.moves(before, machine.state());
        }
        let circuit = self.circuit(&machine, now);
        drop(machine);
        report::log(before, &circuit);
        result
    }

    fn circuit(&self, machine: &Machine, now: Instant) -> Circuit {
        Circuit {
            host: self.address.to_string(),
            state: machine.state(),
            failures: machine.failures(),
            last_failure: machine.cause().map(|cause| cause.to_string()),
            retry_in: machine.open_until().map(|until| until.saturating_duration_since(now)),
        }
    }
}

/// What tells one host from another.
#[derive(Debug)]
struct Address {
    https: bool,
    name: String,
    port: u16,
    /// As it was written first, which is how it is written nearly always: it need not be taken apart to be known again.
    written: String,
}

impl Address {
    fn of(uri: &Uri) -> Option<Self> {
        let name = uri.host()?.to_ascii_lowercase();
        let written = uri.authority().map_or("", |authority| without_user(authority.as_str())).to_owned();
        Some(Self { https: is_https(uri), name, port: port(uri), written })
    }

    fn is_of(&self, uri: &Uri) -> bool {
        let is_same = |name: &str| self.name.eq_ignore_ascii_case(name);
        let is_written_so = || uri.authority().is_some_and(|authority| authority.as_str() == self.written);
        self.https == is_https(uri)
            && (is_written_so() || self.port == port(uri) && uri.host().is_some_and(is_same))
    }
}

/// The name, with the port unless that is the usual one of https.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { https, name, port, written: _ } = self;
        if *https && *port == 443 { f.write_str(name) } else { write!(f, "{name}:{port}") }
    }
}

/// What a host is made with.
pub(super) struct Settings<'a> {
    pub(super) config: &'a CircuitBreakerConfig,
    pub(super) timeout: Duration,
    /// The workspace.
    pub(super) home: Option<&'a Uri>,
    /// The gauge of all hosts but the workspace.
    pub(super) others: &'a Arc<Gauge>,
}

impl Admission<'_> {
    /// Tells what became of the request. While the circuit is open: until when.
    pub(super) fn settle(mut self, verdict: Verdict) -> Option<Instant> {
        self.finish(verdict)
    }

    fn finish(&mut self, verdict: Verdict) -> Option<Instant> {
        let ticket = self.ticket.take()?;
        if verdict == Verdict::Works && self.host.machine().worked(&ticket) {
            return None;
        }
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

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        // A call that ends at its own deadline, after it has heard nothing for long, tells of the host; one that its
        // caller gives up does not.
        let silence = Failure { kind: ErrorKind::Timeout, status: None };
        let verdict = if self.call.is_silent() { Verdict::Failed(silence) } else { Verdict::Unknown };
        self.finish(verdict);
    }
}
