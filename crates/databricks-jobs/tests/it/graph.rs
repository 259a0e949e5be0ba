//! A large graph of tasks, from a failure in its middle over repairs to success.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use databricks_jobs::{
    ConditionOp, JobError, JobSettings, NotebookTask, RunIf, RunOutcome, RunState, Task, TaskFailure,
    WaitConfig,
};
use databricks_testkit::{JobsScript, TaskOutcome};
use futures::TryStreamExt;

use crate::world::World;

const LOADS: usize = 110;
const ITEMS: usize = 130;

fn notebook(key: &str) -> Task {
    Task::notebook(key, format!("/etl/{key}"))
}

/// 120 tasks: a start, a condition with two branches, 110 loads, a loop over 130 items, one that is flaky, one that is
/// broken, and what depends on them.
fn settings() -> JobSettings {
    let loads: Vec<String> = (0..LOADS).map(|n| format!("load_{n:03}")).collect();
    let items = serde_json::to_string(&(0..ITEMS).collect::<Vec<_>>()).unwrap();
    let item = Task::new("item", NotebookTask::new("/etl/item").base_parameters([("n", "{{input}}")]));
    let tasks = [
        notebook("start"),
        Task::condition("is_large", "{{tasks.start.values.rows}}", ConditionOp::GreaterThan, "1000")
            .depends_on(["start"]),
        notebook("large").after_outcome("is_large", true),
        notebook("small").after_outcome("is_large", false),
        Task::for_each("items", items, item).depends_on(["start"]),
        notebook("flaky").depends_on(["large"]).max_retries(2).retry_interval(Duration::from_secs(60)),
        notebook("broken").depends_on(loads.clone()),
        notebook("after_broken").depends_on(["broken", "flaky"]),
        notebook("report").depends_on(["after_broken", "items", "cleanup"]),
        // Not the last one: a run whose last tasks succeed is a success, whatever failed before.
        notebook("cleanup").depends_on(["broken"]).run_if(RunIf::AllDone),
    ];
    let loads = loads.iter().map(|key| notebook(key).depends_on(["start"]));
    JobSettings::named("large").tasks(tasks.into_iter().chain(loads))
}

fn write(script: &JobsScript) {
    script.on_task("start").runs(|_| async { TaskOutcome::success().with_value("rows", 5000) });
    script.on_task("flaky").times(2).duration(Duration::from_secs(30)).fails("Connection reset");
    script.on_task("large").duration(Duration::from_secs(600)).succeeds();
    // The first run and the first repair find it broken.
    script.on_task("broken").times(2).runs(|_| async {
        TaskOutcome::failure("ZeroDivisionError: division by zero").with_trace("line 7, in total")
    });
    let failures = AtomicUsize::new(0);
    script.on_task("item").runs(move |call| {
        let broken =
            call.parameter("n").as_deref() == Some("77") && failures.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            if broken { TaskOutcome::failure("KeyError: 77") } else { TaskOutcome::success() }
        }
    });
    script.on_task("report").returns("42 rows");
}

fn keys(failed: &[TaskFailure]) -> Vec<&str> {
    failed.iter().map(|task| task.task_key.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_graph_of_120_tasks_fails_in_the_middle_is_repaired_twice_and_succeeds() {
    let world = World::new();
    write(&world.script);
    let settings = settings();
    assert_eq!(settings.tasks.as_ref().unwrap().len(), 120);
    let job_id = world.jobs.create(&settings).await.unwrap();
    assert_eq!(world.jobs.get(job_id).await.unwrap().settings.tasks.unwrap().len(), 120);

    let run_id = world.jobs.run_now(job_id).send().await.unwrap();
    let error = world.jobs.wait(run_id).send().await.unwrap_err();
    let JobError::Failed(failure) = &error else { panic!("{error}") };
    assert_eq!(failure.run.latest_attempts().len(), 120);
    assert_eq!((failure.run_id, failure.outcome.clone()), (run_id, RunOutcome::Failed));
    assert_eq!(keys(&failure.failed_tasks), ["items", "broken", "after_broken", "report"]);
    let [items, broken, after, report] = failure.failed_tasks.as_slice() else { panic!() };
    assert_eq!(broken.code.as_deref(), Some("RUN_EXECUTION_ERROR"));
    assert_eq!(broken.kind.as_deref(), Some("CLIENT_ERROR"));
    assert_eq!(broken.error.as_deref(), Some("ZeroDivisionError: division by zero"));
    assert_eq!(broken.error_trace.as_deref(), Some("line 7, in total"));
    assert_eq!(items.iterations.len(), 1);
    assert_eq!(items.iterations[0].error.as_deref(), Some("KeyError: 77"));
    assert_eq!([after, report].map(|task| &task.outcome), [&RunOutcome::UpstreamFailed; 2]);

    let repair = world.jobs.repair_failed(run_id).send_and_wait(WaitConfig::default()).await.unwrap_err();
    assert_eq!(keys(&repair.failure().unwrap().failed_tasks), ["broken", "after_broken", "report"]);
    // The second repair has to name the first.
    let run = world.jobs.repair_failed(run_id).send_and_wait(WaitConfig::default()).await.unwrap();

    let attempts = run.latest_attempts();
    let task = |key: &str| attempts.iter().find(|task| task.task_key == key).unwrap();
    assert_eq!(attempts.len(), 120);
    let success = |task: &databricks_jobs::RunTask| task.state() == RunState::Terminated(RunOutcome::Success);
    assert_eq!(attempts.iter().filter(|task| success(task)).count(), 119);
    assert_eq!(task("small").state(), RunState::Terminated(RunOutcome::Skipped));
    assert_eq!([task("flaky"), task("broken"), task("load_003")].map(|task| task.attempt_number), [2, 2, 0]);
    let codes = |task: &databricks_jobs::RunTask| {
        task.status.as_ref().unwrap().termination_details.as_ref().unwrap().code.clone().unwrap()
    };
    assert_eq!([codes(task("report")), codes(task("small"))], ["SUCCESS", "SKIPPED"]);
    let history = world.jobs.get_run_with_history(run_id).await.unwrap().repair_history;
    assert_eq!(history.iter().filter(|item| item.id.is_some()).count(), 2);

    let pages = world.workspace.requests();
    assert!(pages.iter().filter(|request| request.query.contains("page_token")).count() >= 5);
    let outputs: Vec<_> = world.jobs.output(run_id).try_collect().await.unwrap();
    // All tasks but the skipped one, and the 130 iterations of the loop, the failed one and its repair among them.
    assert_eq!(outputs.iter().filter(|task| !task.is_iteration).count(), 119);
    assert_eq!(outputs.iter().filter(|task| task.is_iteration).count(), ITEMS);
    let report = outputs.iter().find(|task| task.task_key == "report").unwrap();
    assert_eq!(report.output.result(), Some("42 rows"));
    assert!(world.script.unused().is_empty(), "{:?}", world.script.unused());
}
