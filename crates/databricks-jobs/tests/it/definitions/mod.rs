//! Job definitions: what our builders send, and what is read and written again. SOURCES.md says where they come from.

mod clusters;
mod newer;
mod real;
mod tasks;
mod triggers;

use databricks_jobs::{ClusterSpec, JobSettings, Task};
use serde_json::{Map, Value};

/// A definition by name.
type Made = (&'static str, JobSettings);

const LTS: &str = "16.4.x-scala2.12";

fn cluster(workers: u32) -> ClusterSpec {
    ClusterSpec::small().num_workers(workers)
}

fn one(name: &str, task: Task) -> JobSettings {
    JobSettings::named(name).task(task)
}

fn read(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap()
}

#[test]
fn builders_send_what_the_official_client_sends() {
    let theirs = read(include_str!("sdk.json"));
    let ours: Vec<Made> =
        [clusters::definitions(), tasks::definitions(), triggers::definitions(), newer::definitions()]
            .concat();
    assert_eq!((ours.len(), theirs.len()), (44, 44));
    for (name, settings) in ours {
        let ours = serde_json::to_value(&settings).unwrap();
        assert_eq!(ours, theirs[name], "{name}");
        assert_eq!(settings.defects(), [], "{name}");
        assert_eq!(serde_json::from_value::<JobSettings>(ours).unwrap(), settings, "{name}");
    }
}

#[test]
fn a_kind_that_cannot_be_read_is_an_error_and_not_lost() {
    for (task, named) in [
        (r#"{"task_key": "a", "notebook_task": {"base_parameters": {}}}"#, "notebook_path"),
        (r#"{"task_key": "a", "sql_task": 3}"#, "struct"),
        (r#"{"task_key": "a", "run_job_task": {"job_id": "x"}}"#, "i64"),
    ] {
        let error = serde_json::from_str::<Task>(task).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
    let null = r#"{"task_key": "a", "notebook_task": null, "sql_task": {"warehouse_id": "w"}}"#;
    let task: Task = serde_json::from_str(null).unwrap();
    let kept = serde_json::to_value(&task).unwrap();
    assert_eq!(
        kept,
        serde_json::json!({"task_key": "a", "sql_task": {"warehouse_id": "w"}}),
        "a null is no kind"
    );
    let two =
        r#"{"task_key": "a", "notebook_task": {"notebook_path": "/n"}, "sql_task": {"warehouse_id": "w"}}"#;
    let task: Task = serde_json::from_str(two).unwrap();
    assert_eq!(serde_json::to_value(&task).unwrap(), serde_json::from_str::<Value>(two).unwrap());
    assert_eq!(one("two", task).defects().len(), 1);
}
