//! Jobs with dashboards, alerts and GPUs, and jobs that are kept and deployed elsewhere.

use databricks_jobs::{
    AiRuntimeCompute, AiRuntimeDeployment, AiRuntimeTask, AlertTask, DashboardSubscription, DashboardTask,
    DirtyState, GitProvider, GitSource, JobDeployment, JobDeploymentKind, JobSettings, JobSource,
    SparseCheckout, Subscriber, Task,
};

use super::{Made, one};

pub(super) fn definitions() -> Vec<Made> {
    vec![
        ("dashboard_with_subscribers", {
            let subscription = DashboardSubscription::new()
                .subscribers([Subscriber::user("a@example.com"), Subscriber::destination("d1")])
                .paused(false)
                .custom_subject("Numbers");
            let dashboard = DashboardTask::new().dashboard_id("b1").warehouse_id("w1");
            let dashboard = dashboard.subscription(subscription).filters([("city", "Zürich")]);
            one("dashboard", Task::new("board", dashboard))
        }),
        ("alert_by_id_and_by_file", {
            let by_id = AlertTask::new().alert_id("a1").warehouse_id("w1");
            let by_file = AlertTask::new().workspace_path("/Shared/till.dbalert.json").warehouse_id("w1");
            JobSettings::named("alerts").tasks([
                Task::new("by_id", by_id.subscribers([Subscriber::user("a@example.com")])),
                Task::new(
                    "by_file",
                    by_file.subscribers([Subscriber::destination("d1")]).parameters([("most", "7")]),
                ),
            ])
        }),
        ("training_on_gpus", {
            let deployment = AiRuntimeDeployment::new(AiRuntimeCompute::new("GPU_8xH100", 16_u32))
                .command_path("/Shared/train.sh")
                .name("all");
            let training = AiRuntimeTask::new("forecast", vec![deployment])
                .code_source_path("/Shared/code.tgz")
                .docker_image_url("example/image:1")
                .mlflow_run("first")
                .mlflow_experiment_directory("/Shared/experiments")
                .mlflow_artifact_location("/Volumes/main/ml/artifacts");
            one("training", Task::new("train", training).max_retries(1))
        }),
        ("kept_in_a_repository_and_deployed", {
            let kept = JobSource::new("jobs/load.yml", "main").dirty_state(DirtyState::Disconnected);
            let source = GitSource::branch("https://example.com/team/etl", GitProvider::GitHub, "main")
                .sparse_checkout(SparseCheckout::new().patterns(["jobs", "sql"]))
                .job_source(kept);
            let deployment = JobDeployment::new(JobDeploymentKind::Bundle)
                .metadata_file_path("/Shared/state/metadata.json");
            one("kept", Task::notebook("load", "jobs/load"))
                .git_source(source)
                .deployment(deployment)
                .usage_policy_id("u1")
        }),
    ]
}
