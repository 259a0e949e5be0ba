//! Maintenance by a schedule: what is noted of work whose end is not known.

use databricks_delta::{MaintenancePolicy, MaintenanceScheduler, Upkeep};
use databricks_testkit::Column;
use serde_json::json;

use crate::support::World;

const NOTES: [(&str, &str); 6] = [
    ("table_name", "STRING"),
    ("action", "STRING"),
    ("claim", "STRING"),
    ("state", "STRING"),
    ("at", "TIMESTAMP"),
    ("version", "BIGINT"),
];

/// A workspace in which the table `days` is due for an OPTIMIZE, and nothing is noted yet.
fn world() -> World {
    let world = World::new();
    world.engine.on_containing("SELECT * FROM").fail("TABLE_OR_VIEW_NOT_FOUND", "42P01", "No such table.");
    let columns = [Column::new("version", "BIGINT"), Column::new("operation", "STRING")];
    world.engine.on_containing("DESCRIBE HISTORY").rows(columns, [[json!("0"), json!("WRITE")]]);
    let columns = [Column::new("numFiles", "BIGINT"), Column::new("sizeInBytes", "BIGINT")];
    world.engine.on_containing("DESCRIBE DETAIL").rows(columns, [[json!("1"), json!("1")]]);
    world.on_making("CREATE TABLE IF NOT EXISTS", "_maintenance", &NOTES).empty();
    world.engine.on_containing("MERGE").counts([("num_affected_rows", 1)]);
    world.engine.on_containing("UPDATE").affected(1);
    world
}

#[tokio::test(start_paused = true)]
async fn work_that_may_still_run_keeps_its_claim_and_work_that_failed_does_not() {
    for (class, sql_state, noted) in [
        // It took effect, or may have.
        ("DELTA_POST_COMMIT_HOOK_FAILED", "2DKD0", 0),
        ("DELTA_ZORDERING_ON_COLUMN_WITHOUT_STATS", "KD00D", 1),
    ] {
        let world = world();
        world.engine.on_containing("OPTIMIZE").fail(class, sql_state, "It failed.");
        let policy = MaintenancePolicy::manual().max_writes(0);
        let scheduler = MaintenanceScheduler::new(&world.delta).table("days", policy);
        let report = scheduler.run_once().await;
        assert_eq!(report.tables[0].optimize, Upkeep::Failed, "{class}: {:?}", report.errors);
        assert_eq!((world.sent("OPTIMIZE").len(), world.sent("UPDATE").len()), (1, noted), "{class}");
    }
}
