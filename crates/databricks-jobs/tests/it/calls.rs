//! The calls of the client on a simulated workspace.

use databricks_jobs::{
    AccessControl, ClusterSpec, Defect, JobCluster, JobError, JobId, JobParameter, JobSettings, Language,
    NotebookTask, PermissionLevel, RunOutcome, RunParameters, RunState, StreamingJob, Task, ViewsToExport,
    WaitConfig,
};
use databricks_testkit::{ScriptedEngine, SimulatedWorkspace, TaskOutcome};
use databricks_transport::{ApiRequest, ErrorKind, Operation};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

use crate::world::World;

const SETUP: Operation = Operation::new("setup").idempotent();

fn notebook(key: &str) -> Task {
    Task::notebook(key, format!("/etl/{key}"))
}

fn kind(error: &JobError) -> ErrorKind {
    error.transport().unwrap_or_else(|| panic!("{error}")).kind()
}

#[tokio::test(start_paused = true)]
async fn a_job_lives_and_dies() {
    let world = World::new();
    let jobs = &world.jobs;
    let job_id = jobs.create(&JobSettings::named("a").task(notebook("one"))).await.unwrap();
    let other = jobs.create(&JobSettings::named("b").task(notebook("one"))).await.unwrap();
    let job = jobs.get(job_id).await.unwrap();
    assert_eq!((job.job_id, job.settings.name.as_deref()), (job_id, Some("a")));
    let named: Vec<JobId> =
        jobs.list().name("A").send().map_ok(|job| job.job_id).try_collect().await.unwrap();
    assert_eq!(named, [job_id]);
    let all: Vec<JobId> =
        jobs.list().page_size(1).send().map_ok(|job| job.job_id).try_collect().await.unwrap();
    assert_eq!(all, [other, job_id]);

    let change = JobSettings::new().max_concurrent_runs(7).task(notebook("two").depends_on(["one"]));
    jobs.update(job_id).settings(change).send().await.unwrap();
    let settings = jobs.get(job_id).await.unwrap().settings;
    let keys: Vec<String> = settings.tasks.unwrap().into_iter().map(|task| task.task_key).collect();
    assert_eq!((keys, settings.max_concurrent_runs), (vec!["one".to_owned(), "two".to_owned()], Some(7)));
    jobs.update(job_id).remove("tasks/two").send().await.unwrap();
    assert_eq!(jobs.get(job_id).await.unwrap().settings.tasks.unwrap().len(), 1);

    jobs.reset(job_id, &JobSettings::named("c").task(notebook("three"))).await.unwrap();
    assert_eq!(jobs.get(job_id).await.unwrap().settings.name.as_deref(), Some("c"));
    jobs.delete(job_id).await.unwrap();
    assert_eq!(kind(&jobs.get(job_id).await.unwrap_err()), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn an_edit_loses_nothing_that_is_not_known() {
    let world = World::new();
    let mut settings: JobSettings = serde_json::from_value(json!({
        "name": "a", "quantum": {"bits": [1, 2]},
        "tasks": [{"task_key": "one", "notebook_task": {"notebook_path": "/n", "flavour": "mild"}, "mood": "good"}],
    }))
    .unwrap();
    let job_id = world.jobs.create(&settings).await.unwrap();
    let edited = world.jobs.edit(job_id, |settings| settings.max_concurrent_runs = Some(3)).await.unwrap();
    let stored = world.jobs.get(job_id).await.unwrap().settings;
    assert_eq!(stored, edited);
    assert_eq!(stored.extra["quantum"], json!({"bits": [1, 2]}));
    settings.max_concurrent_runs = Some(3);
    assert_eq!(stored.tasks, settings.tasks);
    // Nothing to change is nothing to send.
    world.jobs.edit(job_id, |_| ()).await.unwrap();
    assert_eq!(world.requests("/api/2.2/jobs/reset"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_pages_is_put_together() {
    let world = World::new();
    let tasks = (0..250).map(|n| notebook(&format!("t{n}")).job_cluster_key(format!("c{n}")));
    let clusters = (0..150).map(|n| JobCluster::new(format!("c{n}"), ClusterSpec::small()));
    let clusters: Vec<_> =
        clusters.chain((150..250).map(|n| JobCluster::new(format!("c{n}"), ClusterSpec::new()))).collect();
    let parameters = (0..120).map(|n| JobParameter::new(format!("p{n}"), "x"));
    let settings = JobSettings::named("big").tasks(tasks).job_clusters(clusters).parameters(parameters);
    let job_id = world.jobs.create(&settings).await.unwrap();
    let stored = world.jobs.get(job_id).await.unwrap().settings;
    assert_eq!((&stored.tasks, &stored.job_clusters), (&settings.tasks, &settings.job_clusters));
    assert_eq!(stored.parameters, settings.parameters);
    let run_id = world.jobs.run_now(job_id).send().await.unwrap();
    let run = world.jobs.wait(run_id).send().await.unwrap();
    assert_eq!(run.tasks.len(), 250);
    assert_eq!(run.extra["job_clusters"].as_array().unwrap().len(), 250);
    assert_eq!(run.extra["job_parameters"].as_array().unwrap().len(), 120);
}

#[tokio::test(start_paused = true)]
async fn the_run_of_a_loop_has_its_one_task_and_all_iterations() {
    let world = World::new();
    let inputs = serde_json::to_string(&(0..230).collect::<Vec<_>>()).unwrap();
    let tasks = [Task::for_each("each", inputs, notebook("item"))];
    let run_id = world.jobs.submit_run(tasks).send().await.unwrap();
    let run = world.jobs.wait(run_id).send().await.unwrap();
    let each = world.jobs.get_run(run.tasks[0].run_id.unwrap()).await.unwrap();
    assert_eq!((each.tasks.len(), each.iterations.len()), (1, 230));
}

#[tokio::test(start_paused = true)]
async fn defects_are_told_before_anything_is_sent() {
    let world = World::new();
    let settings = JobSettings::named("a").task(notebook("one").depends_on(["nobody"]));
    let error = world.jobs.create(&settings).await.unwrap_err();
    let JobError::Defective { defects } = &error else { panic!("{error}") };
    assert_eq!(defects, &[Defect::UnknownDependency { task: "one".into(), on: "nobody".into() }]);
    assert!(error.to_string().contains("`nobody`, which is no task"), "{error}");
    for error in [
        world.jobs.reset(JobId::new(1), &settings).await.unwrap_err(),
        world.jobs.submit_run([]).send().await.unwrap_err(),
    ] {
        assert!(matches!(error, JobError::Defective { .. }), "{error}");
    }
    assert!(world.workspace.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_run_is_given_parameters_and_leaves_outputs() {
    let world = World::new();
    world.script.on_task("report").runs(|call| async move {
        TaskOutcome::success().with_result(format!(
            "{} {}",
            call.parameter("day").unwrap(),
            call.parameter("city").unwrap()
        ))
    });
    world.script.on_task("logs").runs(|_| async { TaskOutcome::success().with_logs("x".repeat(6 << 20)) });
    let report = NotebookTask::new("/etl/report").base_parameters([("city", "Bern")]);
    let logs = Task::spark_python("logs", "/f.py").existing_cluster_id("c");
    let child =
        JobSettings::named("child").parameters([("day", "x")]).tasks([Task::new("report", report), logs]);
    let child = world.jobs.create(&child).await.unwrap();
    let parent = JobSettings::named("parent").task(Task::run_job("child", child)).task(notebook("own"));
    let parent = world.jobs.create(&parent).await.unwrap();

    let run = world
        .jobs
        .run_now(child)
        .parameters(RunParameters::new().with_job_parameter("day", "2024-01-31"))
        .send_and_wait(WaitConfig::default())
        .await;
    let run = run.unwrap();
    let outputs: Vec<_> = world.jobs.output(run.run_id).try_collect().await.unwrap();
    assert_eq!(outputs[0].output.result(), Some("2024-01-31 Bern"));
    assert!(!outputs[0].output.is_truncated());
    assert_eq!(outputs[1].output.logs.as_ref().unwrap().len(), 5 << 20);
    assert!(outputs[1].output.is_truncated());
    // A run of several tasks has no output of its own.
    assert_eq!(kind(&world.jobs.get_output(run.run_id).await.unwrap_err()), ErrorKind::Invalid);

    let run = world.jobs.run_now(parent).send_and_wait(WaitConfig::default()).await.unwrap();
    let outputs: Vec<_> = world.jobs.output(run.run_id).try_collect().await.unwrap();
    let keys: Vec<&str> = outputs.iter().map(|task| task.task_key.as_str()).collect();
    assert_eq!(keys, ["child", "own", "report", "logs"]);
    assert_eq!(outputs[0].output.started_run(), Some(outputs[2].job_run_id));
}

#[tokio::test(start_paused = true)]
async fn logs_that_were_cut_are_whole_where_the_cluster_delivers_them() {
    let output = json!({
        "logs": "the end", "logs_truncated": true,
        "metadata": {"run_id": 7, "tasks": [{
            "task_key": "a", "cluster_instance": {"cluster_id": "0131-abc"}, "job_cluster_key": "c",
        }], "job_clusters": [{"job_cluster_key": "c", "new_cluster": {
            "cluster_log_conf": {"volumes": {"destination": "/Volumes/main/default/logs/"}}}}]},
    });
    let output: databricks_jobs::RunOutput = serde_json::from_value(output).unwrap();
    assert_eq!(output.log_folder().as_deref(), Some("/Volumes/main/default/logs/0131-abc/driver"));
    let world = World::new();
    let volume = json!({
        "catalog_name": "main", "schema_name": "default", "name": "logs", "volume_type": "MANAGED",
    });
    let made = ApiRequest::post("/api/2.1/unity-catalog/volumes").json(&volume).unwrap();
    world.client.call::<Value>(SETUP, made).await.unwrap();
    assert_eq!(world.jobs.full_logs(&output).await.unwrap(), None, "not delivered yet");
    let folder = "/api/2.0/fs/directories/Volumes/main/default/logs/0131-abc/driver";
    world.client.send(SETUP, ApiRequest::put(folder)).await.unwrap();
    for (name, text) in [("stdout", "the beginning and the end\n"), ("stderr", "a warning\n")] {
        let path = format!("/api/2.0/fs/files/Volumes/main/default/logs/0131-abc/driver/{name}");
        world.client.send(SETUP, ApiRequest::put(path).body(text)).await.unwrap();
    }
    let logs = world.jobs.full_logs(&output).await.unwrap();
    assert_eq!(logs.as_deref(), Some("the beginning and the end\na warning\n"));
    let elsewhere: databricks_jobs::RunOutput = serde_json::from_value(json!({"logs": "all"})).unwrap();
    assert_eq!(world.jobs.full_logs(&elsewhere).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn runs_are_cancelled_deleted_and_listed() {
    let world = World::new();
    world.script.on_task("long").duration(Duration::from_secs(3600)).succeeds();
    let settings = JobSettings::named("long").task(notebook("long")).max_concurrent_runs(1).queued(true);
    let job_id = world.jobs.create(&settings).await.unwrap();
    let first = world.jobs.run_now(job_id).send().await.unwrap();
    let queued = world.jobs.run_now(job_id).send().await.unwrap();
    assert_eq!(world.jobs.get_run(queued).await.unwrap().state(), RunState::Queued);
    let active: Vec<_> = world.jobs.list_runs().job(job_id).active_only().send().collect().await;
    assert_eq!(active.len(), 2);
    world.jobs.cancel_all_runs(job_id).await.unwrap();
    for run_id in [first, queued] {
        let error = world.jobs.wait(run_id).send().await.unwrap_err();
        assert!(matches!(error, JobError::Canceled(_)), "{error}");
    }
    world.jobs.delete_run(first).await.unwrap();
    assert_eq!(kind(&world.jobs.get_run(first).await.unwrap_err()), ErrorKind::NotFound);
    let left: Vec<_> =
        world.jobs.list_runs().job(job_id).completed_only().page_size(1).send().try_collect().await.unwrap();
    assert_eq!(left.iter().map(|run| run.run_id).collect::<Vec<_>>(), [queued]);
}

#[tokio::test(start_paused = true)]
async fn permissions_are_given_and_taken() {
    let world = World::new();
    let access = [AccessControl::group("analysts", PermissionLevel::CanView)];
    let job_id = world.jobs.create_with(&JobSettings::named("a").task(notebook("n")), &access).await.unwrap();
    let levels = |permissions: databricks_jobs::JobPermissions| -> Vec<String> {
        let list = permissions.access_control_list.unwrap();
        let shown = list.into_iter().map(|entry| {
            let name = entry.user_name.or(entry.group_name).or(entry.service_principal_name).unwrap();
            let level = entry.all_permissions.unwrap().remove(0).permission_level.unwrap();
            format!("{name} {level}")
        });
        shown.collect()
    };
    let before = levels(world.jobs.permissions(job_id).await.unwrap());
    let owner = before[0].split(' ').next().unwrap().to_owned();
    assert_eq!(before[1..], ["analysts CAN_VIEW", "admins CAN_MANAGE"]);
    let more = AccessControl::user("a@example.com", PermissionLevel::CanManageRun);
    let after = levels(world.jobs.update_permissions(job_id, [more]).send().await.unwrap());
    assert_eq!(after[1..3], ["analysts CAN_VIEW", "a@example.com CAN_MANAGE_RUN"]);
    let only = AccessControl::user(&owner, PermissionLevel::IsOwner);
    assert_eq!(levels(world.jobs.set_permissions(job_id, [only]).send().await.unwrap()).len(), 2);
    let nobody = world.jobs.set_permissions(job_id, []).send().await.unwrap_err();
    assert_eq!(kind(&nobody), ErrorKind::Invalid);
    assert_eq!(world.jobs.permission_levels(job_id).await.unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn sql_files_are_uploaded_run_and_their_notebooks_exported() {
    let engine = ScriptedEngine::new();
    engine.on_containing("INSERT").affected(1);
    let world = World::of(|builder| builder.engine(Arc::new(engine.clone())));
    let sql = "INSERT INTO t VALUES ('a;b'); -- the end;\nINSERT INTO t VALUES (2);";
    let upload = || world.jobs.upload_source("/Shared/sql/totals.sql", Language::Sql, sql).plain_file();
    upload().send().await.unwrap();
    assert_eq!(kind(&upload().send().await.unwrap_err()), ErrorKind::AlreadyExists);
    upload().overwrite().send().await.unwrap();
    let task =
        Task::sql_file("totals", SimulatedWorkspace::DEFAULT_WAREHOUSE, "/Workspace/Shared/sql/totals.sql");
    let run = world.jobs.submit_and_wait([task], WaitConfig::default()).await.unwrap();
    assert_eq!(run.state(), RunState::Terminated(RunOutcome::Success));
    assert_eq!(engine.requests().len(), 2);

    world.jobs.upload_source("/Shared/n", Language::Python, "print('<hi>')").send().await.unwrap();
    let run =
        world.jobs.submit_and_wait([Task::notebook("n", "/Shared/n")], WaitConfig::default()).await.unwrap();
    let views = world.jobs.export_run(run.tasks[0].run_id.unwrap(), ViewsToExport::Code).await.unwrap();
    assert!(views[0].content.as_ref().unwrap().contains("print('&lt;hi>')"));
    assert_eq!(views[0].r#type.as_deref(), Some("NOTEBOOK"));
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_uploaded_and_runs() {
    let world = World::new();
    let stream = StreamingJob::from_delta("orders", "main.raw.orders")
        .transform("SELECT * FROM {input} WHERE note <> '\"'")
        .to_delta("main.sales.orders")
        .checkpoint("/Volumes/main/default/checkpoints/orders");
    let run_id = stream.submit(&world.jobs).await.unwrap();
    world.jobs.wait(run_id).send().await.unwrap();
    assert_eq!(world.script.calls()[0].notebook_path(), Some("/Shared/databricks-jobs/streams/orders"));

    let endless = stream.clone().on_cluster(ClusterSpec::small()).trigger_interval(Duration::from_secs(10));
    let job_id = endless.create(&world.jobs).await.unwrap();
    let settings = world.jobs.get(job_id).await.unwrap().settings;
    assert!(settings.continuous.is_some());
    let run_id = world.jobs.run_now(job_id).send().await.unwrap();
    let active: Vec<_> = world.jobs.list_runs().job(job_id).active_only().send().try_collect().await.unwrap();
    assert_eq!(active[0].run_id, run_id);
}

#[test]
fn a_stream_that_cannot_be_is_refused_by_name() {
    let sound = || StreamingJob::from_delta("s", "t").to_delta("u").checkpoint("/c");
    let messages: Vec<String> = [
        StreamingJob::from_delta("s", "t").checkpoint("/c"),
        StreamingJob::from_delta("s", "t").to_delta("u"),
        StreamingJob::from_delta("a/b", "t").to_delta("u").checkpoint("/c"),
        sound().notebook_path("relative"),
        sound().transform("SELECT 1"),
        sound().continuous(),
        sound().on_existing_cluster("c").trigger_interval(Duration::ZERO),
        StreamingJob::from_kafka("s", "b", Vec::<String>::new()).to_delta("u").checkpoint("/c"),
        StreamingJob::from_kafka("s", "b", ["t", ""]).to_delta("u").checkpoint("/c"),
        StreamingJob::from_delta("s", "").to_delta("u").checkpoint("/c"),
        StreamingJob::from_files("s", "/Volumes/in", "").to_delta("u").checkpoint("/c"),
    ]
    .into_iter()
    .map(|job| job.settings().unwrap_err().to_string())
    .collect();
    insta::assert_snapshot!(messages.join("\n"));
    assert_eq!(sound().settings().unwrap().extra, serde_json::Map::<String, Value>::new());
}
