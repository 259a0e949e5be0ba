//! Tables looked after on real files: what is due is done once, by one of several, and nothing else is touched.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use databricks_delta_lake::DatabricksClient;
use databricks_delta_lake::delta::{
    DeltaClient, HealthReason, MaintenancePolicy, MaintenanceReport, MaintenanceScheduler, QuietHours,
    TableHealth, Upkeep,
};
use databricks_delta_lake::schema::{TableName, TableSchema};
use databricks_delta_lake::transport::{Client, Jitter};
use databricks_local::LocalWorkspace;
use databricks_testkit::{Fault, FaultLayer, FaultRule, Faults, StallPoint};
use futures::future::join;
use http::Method;
use tempfile::TempDir;

const HOUR: Duration = Duration::from_secs(3600);
const STATEMENTS: &str = "/api/2.0/sql/statements";

/// A workspace, and a clock that can be set forward.
struct World {
    _folder: TempDir,
    workspace: LocalWorkspace,
    hours: Arc<AtomicI64>,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let workspace = LocalWorkspace::open(folder.path()).unwrap();
        Self { _folder: folder, workspace, hours: Arc::default() }
    }

    /// A client as a program of its own has it.
    fn delta(&self) -> DeltaClient {
        self.delta_with(Faults::new())
    }

    fn delta_with(&self, faults: Faults) -> DeltaClient {
        let builder = Client::builder(self.workspace.config().unwrap()).leaf(self.workspace.service());
        let client = builder.leaf_layer(FaultLayer::new(faults)).build().unwrap();
        DatabricksClient::from_transport(client).delta("main", "default").unwrap()
    }

    /// A scheduler of a program of its own, whose clock is this world's.
    fn scheduler(&self) -> MaintenanceScheduler {
        self.scheduler_of(&self.delta())
    }

    fn scheduler_of(&self, delta: &DeltaClient) -> MaintenanceScheduler {
        let hours = Arc::clone(&self.hours);
        MaintenanceScheduler::new(delta)
            .clock(move || Utc::now() + TimeDelta::hours(hours.load(Ordering::Relaxed)))
    }

    fn pass(&self, hours: i64) {
        self.hours.fetch_add(hours, Ordering::Relaxed);
    }

    async fn create(&self, table: &str) {
        let columns = TableSchema::parse("id BIGINT, day STRING").unwrap();
        self.delta().create_table(table, columns).send().await.unwrap();
    }

    /// So many writes of a row each.
    async fn write(&self, table: &str, writes: i64) {
        for id in 0..writes {
            let rows = [(id, "monday")].map(|(id, day)| Row { id, day });
            self.delta().write_batch(table, &rows).send().await.unwrap();
        }
    }

    /// Data files in the folder of a table.
    fn files(&self, table: &str) -> usize {
        let folder = self.workspace.table_path(&TableName::new("main", "default", table).unwrap()).unwrap();
        let entries = std::fs::read_dir(folder).unwrap().flatten();
        entries.filter(|entry| entry.path().extension().is_some_and(|kind| kind == "parquet")).count()
    }

    async fn operations(&self, table: &str) -> Vec<String> {
        let commits = self.delta().history(table).send().await.unwrap();
        commits.into_iter().map(|commit| commit.operation).collect()
    }

    async fn count(&self, table: &str, operation: &str) -> usize {
        self.operations(table).await.iter().filter(|found| *found == operation).count()
    }
}

#[derive(serde::Serialize)]
struct Row {
    id: i64,
    day: &'static str,
}

/// Statements of a first turn before its OPTIMIZE: the notes, history and detail, then the ledger made, looked through and
/// claimed in.
const BEFORE_OPTIMIZE: u64 = 6;

/// Something that happens to the first OPTIMIZE.
fn at_optimize(fault: Fault) -> FaultRule {
    FaultRule::when(|method, path| *method == Method::POST && path == STATEMENTS, fault)
        .nth(BEFORE_OPTIMIZE + 1)
}

async fn until_fired(faults: &Faults) {
    while faults.fired() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn after_writes(writes: u64) -> MaintenancePolicy {
    MaintenancePolicy::manual().max_writes(writes)
}

fn upkeep(report: &MaintenanceReport) -> Vec<(&str, Upkeep, Upkeep)> {
    report.tables.iter().map(|table| (table.table.as_str(), table.optimize, table.vacuum)).collect()
}

fn health(report: &MaintenanceReport) -> &TableHealth {
    report.tables[0].health.as_ref().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_optimized_when_it_is_due_and_then_left_alone() {
    let world = World::new();
    world.create("sales").await;
    let scheduler = world.scheduler().table("sales", after_writes(2));
    world.write("sales", 2).await;
    assert_eq!(upkeep(&scheduler.run_once().await), [("main.default.sales", Upkeep::NotDue, Upkeep::NotDue)]);

    world.write("sales", 1).await;
    let analyzed = scheduler.analyze_table("sales").await.unwrap();
    assert_eq!(analyzed.reasons, [HealthReason::ManyWrites { writes: 3, limit: 2 }]);
    assert_eq!((analyzed.num_files, analyzed.small_files, analyzed.version), (3, 3, 3));
    let report = scheduler.run_once().await;
    assert_eq!(upkeep(&report), [("main.default.sales", Upkeep::Done, Upkeep::NotDue)]);
    assert_eq!(health(&report), &analyzed, "it is reported as it was found");
    let (table, result) = &report.optimized[0];
    assert_eq!((table.as_str(), result.metrics.num_files_removed), ("main.default.sales", 3));

    let again = world.scheduler().table("sales", after_writes(2)).run_once().await;
    assert_eq!(upkeep(&again), [("main.default.sales", Upkeep::NotDue, Upkeep::NotDue)]);
    assert_eq!((health(&again).writes_since_optimize, health(&again).num_files), (0, 1));
    assert_eq!(world.count("sales", "OPTIMIZE").await, 1);
}

/// Z-order writes a table anew each time it is run, so a second OPTIMIZE would be a second commit.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_schedulers_at_once_one_optimizes_each_time_it_is_due() {
    let world = World::new();
    world.create("sales").await;
    let scheduler = || world.scheduler().table("sales", after_writes(0).zorder_by(["day"]));
    let schedulers = (scheduler(), scheduler());
    for round in 1..=6 {
        world.write("sales", 2).await;
        let (one, other) = join(schedulers.0.run_once(), schedulers.1.run_once()).await;
        assert!(one.errors.is_empty() && other.errors.is_empty(), "{:?} {:?}", one.errors, other.errors);
        assert_eq!(one.optimized.len() + other.optimized.len(), 1, "{:?} {:?}", upkeep(&one), upkeep(&other));
        assert_eq!(world.count("sales", "OPTIMIZE").await, round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_optimize_that_finds_nothing_is_not_repeated_at_every_look() {
    let world = World::new();
    world.create("sales").await;
    world.write("sales", 1).await;
    let scheduler = || world.scheduler().table("sales", MaintenancePolicy::manual().optimize_every(HOUR));
    assert!(scheduler().run_once().await.optimized.is_empty(), "the table is young");
    world.pass(1);
    let report = scheduler().run_once().await;
    assert_eq!(report.optimized[0].1.metrics.num_files_added, 0);
    assert_eq!(world.count("sales", "OPTIMIZE").await, 0, "it leaves no version");
    world.pass(100);
    assert!(scheduler().run_once().await.optimized.is_empty(), "nothing was written since");
    world.write("sales", 1).await;
    assert_eq!(scheduler().run_once().await.optimized.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_one_table_keeps_no_other_from_its_turn() {
    let world = World::new();
    for table in ["first", "last"] {
        world.create(table).await;
        world.write(table, 2).await;
    }
    let scheduler = world
        .scheduler()
        .table("first", after_writes(1).zorder_by(["nowhere"]))
        .table("missing", after_writes(1))
        .table("a.b.c.d", after_writes(1))
        .table("last", after_writes(1));
    let report = scheduler.run_once().await;
    assert_eq!(
        upkeep(&report),
        [
            ("main.default.first", Upkeep::Failed, Upkeep::NotDue),
            ("main.default.missing", Upkeep::Failed, Upkeep::Failed),
            ("a.b.c.d", Upkeep::Failed, Upkeep::Failed),
            ("main.default.last", Upkeep::Done, Upkeep::NotDue),
        ]
    );
    let errors: Vec<_> =
        report.errors.iter().map(|(table, error)| (table.as_str(), error.to_string())).collect();
    assert!(errors[0].0 == "main.default.first" && errors[0].1.contains("nowhere"), "{errors:?}");
    assert!(errors[1].1.contains("TABLE_OR_VIEW_NOT_FOUND"), "{errors:?}");
    assert_eq!(errors[2].0, "a.b.c.d");
    // What failed is not held by anybody: it is tried again in the next round.
    let again = scheduler.run_once().await;
    assert_eq!(again.tables[0].optimize, Upkeep::Failed);
    assert_eq!(again.errors.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_process_has_ended_lapses() {
    let world = World::new();
    world.create("sales").await;
    world.write("sales", 2).await;
    // It ends while its OPTIMIZE is on the way.
    let faults = Faults::new().with(at_optimize(Fault::stall(StallPoint::BeforeEffect)));
    let dying = world.scheduler_of(&world.delta_with(faults.clone())).table("sales", after_writes(1));
    tokio::select! {
        report = dying.run_once() => panic!("it was not held up: {report:?}"),
        () = until_fired(&faults) => {}
    }

    let scheduler = || world.scheduler().lease(HOUR * 2).table("sales", after_writes(1));
    world.pass(1);
    assert_eq!(scheduler().run_once().await.tables[0].optimize, Upkeep::LeftToAnother);
    world.pass(1);
    assert_eq!(scheduler().run_once().await.tables[0].optimize, Upkeep::Done);
    assert_eq!(world.count("sales", "OPTIMIZE").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_begins_in_quiet_hours() {
    let world = World::new();
    world.create("sales").await;
    world.write("sales", 2).await;
    let time = |hours: i64| -> NaiveTime { (Utc::now() + TimeDelta::hours(hours)).time() };
    let policy = after_writes(1).quiet_hours(QuietHours::between(time(-1), time(2)));
    let scheduler = world.scheduler().table("sales", policy);
    let report = scheduler.run_once().await;
    assert_eq!(report.tables[0].optimize, Upkeep::Quiet);
    assert!(health(&report).needs_optimize);
    world.pass(3);
    assert_eq!(scheduler.run_once().await.tables[0].optimize, Upkeep::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_vacuumed_once_they_are_older_than_the_retention() {
    let world = World::new();
    world.create("sales").await;
    let keeps_nothing = [("delta.deletedFileRetentionDuration", "interval 0 hours")];
    world.delta().set_properties("sales", keeps_nothing).await.unwrap();
    world.write("sales", 2).await;
    let policy = after_writes(1).vacuum_every(HOUR);
    let scheduler = world.scheduler().table("sales", policy);
    let first = scheduler.run_once().await;
    assert_eq!((first.tables[0].optimize, first.tables[0].vacuum), (Upkeep::Done, Upkeep::NotDue));
    assert_eq!(world.files("sales"), 3);
    let second = scheduler.run_once().await;
    assert_eq!((second.tables[0].optimize, second.tables[0].vacuum), (Upkeep::NotDue, Upkeep::Done));
    assert!(matches!(health(&second).reasons[..], [HealthReason::FilesToVacuum { .. }]));
    assert_eq!(second.vacuumed[0].0, "main.default.sales");
    assert_eq!(world.files("sales"), 1, "the two that were put together are gone");
    world.pass(2);
    assert_eq!(scheduler.run_once().await.tables[0].vacuum, Upkeep::NotDue, "there is nothing to remove");
    let last: DateTime<Utc> = scheduler.analyze_table("sales").await.unwrap().last_vacuum.unwrap();
    assert!(Utc::now() - last < TimeDelta::minutes(10), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_clustered_as_its_policy_says() {
    let world = World::new();
    world.create("sales").await;
    world.write("sales", 3).await;
    let policy = MaintenancePolicy::manual().clustered_by(["Day"]);
    let scheduler = world.scheduler().table("sales", policy);
    let report = scheduler.run_once().await;
    let otherwise = HealthReason::ClusteredOtherwise { wanted: vec!["Day".to_owned()], found: Vec::new() };
    assert_eq!(
        (health(&report).reasons.as_slice(), report.tables[0].optimize),
        (&[otherwise][..], Upkeep::Done)
    );
    let detail = world.delta().detail("sales").await.unwrap();
    assert_eq!((detail.clustering_columns, detail.num_files), (vec!["day".to_owned()], 1));
    assert_eq!(scheduler.run_once().await.tables[0].optimize, Upkeep::NotDue);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_begins_nothing_more_when_it_is_told_to_end_and_sees_its_work_to_the_end() {
    let world = World::new();
    for table in ["first", "second"] {
        world.create(table).await;
        world.write(table, 2).await;
    }
    let (rounds, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    // The first table is in work for a while.
    let held_up = Fault::stall(StallPoint::BeforeEffect).lasting(Duration::from_secs(2));
    let faults = Faults::new().with(at_optimize(held_up));
    let scheduler = world
        .scheduler_of(&world.delta_with(faults.clone()))
        .table("first", after_writes(1))
        .table("second", after_writes(1))
        .concurrency(1)
        .every(HOUR)
        .jitter(Jitter::none())
        .on_report(move |report| {
            rounds.send(report.tables.iter().map(|table| table.optimize).collect::<Vec<_>>()).unwrap();
        });
    let looping = tokio::spawn(async move { scheduler.run(async { ended.await.unwrap() }).await });
    until_fired(&faults).await;
    end.send(()).unwrap();
    looping.await.unwrap();
    let mut all = Vec::new();
    while let Some(round) = heard.recv().await {
        all.push(round);
    }
    assert_eq!(all, [[Upkeep::Done, Upkeep::Stopped]]);
    assert_eq!(world.count("first", "OPTIMIZE").await, 1);
    assert_eq!(world.count("second", "OPTIMIZE").await, 0);
}
