//! Looking after tables as they need it: OPTIMIZE and VACUUM by a policy for each table.

mod health;
#[cfg(test)]
mod health_tests;
mod ledger;
mod policy;
mod report;
mod turn;

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use databricks_transport::Jitter;
use futures::FutureExt;
use futures::future::{Either, select};
use futures::stream::{self, StreamExt};

use self::ledger::{LEDGER, Ledger};
use self::report::Tended;
use crate::client::DeltaClient;
use crate::error::{DeltaError, Result};
use crate::names::{IntoTableName, Target};

pub use self::health::{HealthReason, TableHealth};
pub use self::policy::{MaintenancePolicy, QuietHours};
pub use self::report::{MaintenanceReport, TableReport, Upkeep};

/// Time between two rounds.
const EVERY: Duration = Duration::from_secs(15 * 60);
/// Tables in work at once.
const CONCURRENCY: usize = 2;
/// How long a claim holds whose process has ended.
const LEASE: Duration = Duration::from_secs(4 * 3600);

type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;
type Listener = Arc<dyn Fn(&MaintenanceReport) + Send + Sync>;

/// Looks after tables: finds out by their history and detail what is due, and does it.
///
/// Several of them, in processes that know nothing of each other, may look after the same tables. What they do and have
/// done they note in the table `_maintenance` of the client's catalog and schema, which is made when it is missing. Work
/// is claimed there before it is begun, so that of two schedulers only one does what is due; restarts find the notes.
///
/// ```no_run
/// # async fn example(delta: &databricks_delta::DeltaClient) -> Result<(), databricks_delta::DeltaError> {
/// use databricks_delta::{MaintenancePolicy, MaintenanceScheduler};
///
/// let scheduler = MaintenanceScheduler::new(delta)
///     .table("sales", MaintenancePolicy::default().zorder_by(["customer_id"]).vacuum_retention_hours(168))
///     .table("visits", MaintenancePolicy::default());
/// let report = scheduler.run_once().await;
/// for (table, error) in &report.errors {
///     eprintln!("{table}: {error}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct MaintenanceScheduler {
    client: DeltaClient,
    tables: Vec<Kept>,
    ledger: Target,
    every: Duration,
    concurrency: usize,
    lease: Duration,
    clock: Clock,
    jitter: Jitter,
    listener: Option<Listener>,
}

/// A table that is looked after.
#[derive(Debug, Clone)]
struct Kept {
    /// Its name as it was given, where it cannot be one.
    name: String,
    table: Target,
    policy: MaintenancePolicy,
}

impl fmt::Debug for MaintenanceScheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client: _, tables, ledger, every, concurrency, lease, clock: _, jitter: _, listener } =
            self;
        f.debug_struct("MaintenanceScheduler")
            .field("tables", tables)
            .field("ledger", ledger)
            .field("every", every)
            .field("concurrency", concurrency)
            .field("lease", lease)
            .field("listener", &listener.is_some())
            .finish_non_exhaustive()
    }
}

impl MaintenanceScheduler {
    /// A scheduler for no tables yet.
    pub fn new(client: &DeltaClient) -> Self {
        Self {
            client: client.clone(),
            tables: Vec::new(),
            ledger: client.target(LEDGER),
            every: EVERY,
            concurrency: CONCURRENCY,
            lease: LEASE,
            clock: Arc::new(Utc::now),
            jitter: Jitter::full(),
            listener: None,
        }
    }

    /// Looks after a table by this policy. Tables are begun in the order in which they are given.
    pub fn table(mut self, table: impl IntoTableName, policy: MaintenancePolicy) -> Self {
        let table = self.client.target(table);
        let name = match table.get() {
            Ok(name) => name.full_name(),
            Err(DeltaError::InvalidName { name, .. }) => name,
            Err(other) => other.to_string(),
        };
        self.tables.retain(|kept| !kept.name.eq_ignore_ascii_case(&name));
        self.tables.push(Kept { name, table, policy });
        self
    }

    /// The table of the notes: `_maintenance` in the client's catalog and schema unless set. Schedulers that look after
    /// the same tables must name the same.
    pub fn ledger(mut self, table: impl IntoTableName) -> Self {
        self.ledger = self.client.target(table);
        self
    }

    /// Time between the rounds of [`run`](Self::run): 15 minutes unless set, give or take a tenth.
    pub fn every(mut self, interval: Duration) -> Self {
        self.every = interval;
        self
    }

    /// Tables in work at once: 2 unless set.
    pub fn concurrency(mut self, tables: usize) -> Self {
        self.concurrency = tables.max(1);
        self
    }

    /// How long a claim holds whose end is not noted, since its process ended: 4 hours unless set. Take more than the
    /// longest OPTIMIZE takes.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// What time it is: the system's clock unless set. Waits go by tokio's, whose time a test can pause.
    pub fn clock(mut self, clock: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// How the times between rounds are drawn: [`Jitter::full`] unless set.
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// Calls `tell` after each round of [`run`](Self::run).
    pub fn on_report(mut self, tell: impl Fn(&MaintenanceReport) + Send + Sync + 'static) -> Self {
        self.listener = Some(Arc::new(tell));
        self
    }

    /// Looks after each table once. What goes wrong with one table is in the report, and keeps no other from its turn.
    pub async fn run_once(&self) -> MaintenanceReport {
        self.round(&AtomicBool::new(false)).await
    }

    /// Looks after the tables round after round, until `shutdown` ends. Then no table is begun any more, and those that
    /// are in work are seen to their end.
    ///
    /// Dropping the future leaves what the warehouse is doing to its end, and its claims to lapse.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let stopped = AtomicBool::new(false);
        while !stopped.load(Ordering::Relaxed) {
            let round = pin!(self.round(&stopped));
            let report = match select(shutdown.as_mut(), round).await {
                Either::Right((report, _)) => report,
                Either::Left(((), round)) => {
                    stopped.store(true, Ordering::Relaxed);
                    round.await
                }
            };
            if let Some(tell) = &self.listener {
                tell(&report);
            }
            if stopped.load(Ordering::Relaxed) {
                return;
            }
            let pause = pin!(tokio::time::sleep(self.pause()));
            if let Either::Left(_) = select(shutdown.as_mut(), pause).await {
                return;
            }
        }
    }

    /// Finds out how a table is and what it needs: by its policy, or by the default one when it has none here. Nothing is
    /// changed.
    ///
    /// # Errors
    /// [`DeltaError::InvalidName`](crate::DeltaError::InvalidName); [`DeltaError::Sql`](crate::DeltaError::Sql) when the
    /// table is missing, or a statement fails.
    pub async fn analyze_table(&self, table: impl IntoTableName) -> Result<TableHealth> {
        let table = self.client.table_name(table)?;
        let policy = turn::policy_of(&self.tables, &table).cloned().unwrap_or_default();
        let (_, health) = self.look(&self.open_ledger()?, &table, &policy).await?;
        Ok(health)
    }

    async fn round(&self, stopped: &AtomicBool) -> MaintenanceReport {
        // Boxed, so that the loop can be spawned: the compiler does not see that a stream of borrowing futures is `Send`.
        let turns: Vec<_> = self.tables.iter().map(|kept| self.turn(kept, stopped).boxed()).collect();
        stream::iter(turns).buffered(self.concurrency).collect::<Vec<_>>().await.into_iter().collect()
    }

    async fn turn(&self, kept: &Kept, stopped: &AtomicBool) -> Tended {
        match stopped.load(Ordering::Relaxed) {
            true => Tended::new(kept.name.clone(), Upkeep::Stopped),
            false => self.tend(kept).await,
        }
    }

    fn open_ledger(&self) -> Result<Ledger> {
        Ok(Ledger::new(&self.client, self.ledger.get()?))
    }

    fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    /// Replicas that were started together drift apart.
    fn pause(&self) -> Duration {
        self.every.mul_f64(0.9).saturating_add(self.jitter.wait(self.every.mul_f64(0.2)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn every_table_has_its_turn_and_its_error() {
        let scheduler = MaintenanceScheduler::new(&DeltaClient::mock())
            .table("days", MaintenancePolicy::default())
            .table("a.b.c.d", MaintenancePolicy::default())
            .table("main.default.DAYS", MaintenancePolicy::default().zorder_by(["a"]).clustered_by(["b"]));
        let report = scheduler.run_once().await;
        let tables: Vec<_> =
            report.tables.iter().map(|table| (table.table.as_str(), table.optimize)).collect();
        assert_eq!(tables, [("a.b.c.d", Upkeep::Failed), ("main.default.days", Upkeep::Failed)]);
        assert!(matches!(report.errors[0].1, DeltaError::InvalidName { .. }));
        assert!(matches!(report.errors[1].1, DeltaError::InvalidOption { option: "zorder_by", .. }));
        let analyzed = scheduler.analyze_table("days").await;
        assert!(matches!(analyzed, Err(DeltaError::Mock)), "{analyzed:?}");
    }

    #[test]
    fn any_time_may_lie_between_rounds() {
        for every in [Duration::ZERO, Duration::MAX] {
            let scheduler = MaintenanceScheduler::new(&DeltaClient::mock()).every(every);
            let pause = scheduler.jitter(Jitter::none()).pause();
            assert!(pause <= every, "{pause:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn rounds_follow_each_other_with_jitter_until_the_end() {
        let begun = tokio::time::Instant::now();
        let (rounds, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let hour = Duration::from_secs(3600);
        let scheduler = MaintenanceScheduler::new(&DeltaClient::mock())
            .table("days", MaintenancePolicy::default())
            .every(hour)
            .jitter(Jitter::seeded(7))
            .on_report(move |report| rounds.send((begun.elapsed(), report.errors.len())).unwrap());
        tokio::spawn(async move { scheduler.run(tokio::time::sleep(hour * 24)).await }).await.unwrap();
        assert_eq!(begun.elapsed(), hour * 24, "a wait between rounds does not hold up the end");
        let mut times = Vec::new();
        while let Some((time, errors)) = heard.recv().await {
            assert_eq!(errors, 1);
            times.push(time);
        }
        assert!((22..=27).contains(&times.len()), "{times:?}");
        let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(pauses.iter().all(|pause| *pause >= hour.mul_f64(0.9) && *pause <= hour.mul_f64(1.1)));
        assert!(pauses.windows(2).any(|pair| pair[0] != pair[1]), "{pauses:?}");
    }
}
