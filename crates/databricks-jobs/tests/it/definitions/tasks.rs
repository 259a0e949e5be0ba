//! Jobs that differ in what their tasks are.

use databricks_jobs::{
    ConditionOp, DbtTask, ForEachTask, GitProvider, GitSource, JobCluster, JobId, JobSettings, Library,
    MavenLibrary, NotebookTask, PipelineParams, PipelineTask, PythonWheelTask, RunIf, RunJobTask, Source,
    SparkJarTask, SparkPythonTask, SqlTask, SqlTaskAlert, SqlTaskDashboard, SqlTaskFile, SqlTaskQuery,
    SqlTaskSubscription, Task,
};

use super::{Made, cluster, one};

fn subscription() -> SqlTaskSubscription {
    SqlTaskSubscription::user("a@example.com")
}

fn shared(key: &str) -> Task {
    Task::notebook(key, format!("/Shared/{key}"))
}

pub(super) fn definitions() -> Vec<Made> {
    [notebooks_and_code(), sql_and_pipelines(), control_flow()].concat()
}

fn notebooks_and_code() -> Vec<Made> {
    vec![
        ("one_notebook", {
            one("one notebook", Task::notebook("only", "/Users/someone@example.com/report"))
        }),
        ("notebook_with_parameters", {
            let notebook = NotebookTask::new("notebooks/report")
                .base_parameters([("day", "2024-01-31"), ("city", "Zürich")])
                .source(Source::Workspace);
            one("with parameters", Task::new("report", notebook).description("daily"))
        }),
        ("notebook_on_a_warehouse", {
            let notebook = NotebookTask::new("/Shared/sql").warehouse_id("4f9a2b7c01d3e685");
            one("on a warehouse", Task::new("sql", notebook))
        }),
        ("spark_jar", {
            let jar =
                SparkJarTask::new().main_class_name("com.example.Main").parameters(["--day", "2024-01-31"]);
            let jsoup = MavenLibrary::new("org.jsoup:jsoup:1.7.2").exclusions(["slf4j:slf4j"]);
            let libraries = [Library::of_jar("/Volumes/main/ops/jars/main.jar"), Library::new().maven(jsoup)];
            one("jar", Task::new("jar", jar).libraries(libraries).new_cluster(cluster(2)))
        }),
        ("spark_python", {
            let file = SparkPythonTask::new("/Workspace/Shared/main.py")
                .parameters(["a", "b c"])
                .source(Source::Workspace);
            one("python", Task::new("py", file).new_cluster(cluster(2)))
        }),
        ("spark_submit", {
            let line = ["--class", "org.apache.spark.examples.SparkPi", "/path/examples.jar", "10"];
            one("submit", Task::spark_submit("pi", line).new_cluster(cluster(1)))
        }),
        ("python_wheel", {
            let wheel = PythonWheelTask::new("etl", "main").named_parameters([("day", "2024-01-31")]);
            let libraries = [
                Library::of_wheel("/Volumes/main/ops/wheels/etl-1.0-py3-none-any.whl"),
                Library::of_pypi("faker"),
            ];
            one("wheel", Task::new("wheel", wheel).libraries(libraries).job_cluster_key("c"))
                .job_clusters([JobCluster::new("c", cluster(0))])
        }),
    ]
}

fn sql_and_pipelines() -> Vec<Made> {
    vec![
        ("sql_query", {
            let sql = SqlTask::new("w1").query(SqlTaskQuery::new("q1")).parameters([("day", "2024-01-31")]);
            one("query", Task::new("query", sql))
        }),
        ("sql_file_from_git", {
            let file = SqlTaskFile::new("sql/totals.sql").source(Source::Git);
            one("file", Task::new("file", SqlTask::new("w1").file(file))).git_source(GitSource::branch(
                "https://example.com/team/etl",
                GitProvider::GitHub,
                "main",
            ))
        }),
        ("sql_alert", {
            let alert = SqlTaskAlert::new("a1")
                .subscriptions([subscription(), SqlTaskSubscription::destination("d1")])
                .pause_subscriptions(false);
            one("alert", Task::new("alert", SqlTask::new("w1").alert(alert)))
        }),
        ("sql_dashboard", {
            let dashboard =
                SqlTaskDashboard::new("d1").custom_subject("Numbers").subscriptions([subscription()]);
            one("dashboard", Task::new("dashboard", SqlTask::new("w1").dashboard(dashboard)))
        }),
        ("dbt_project", {
            let commands: Vec<String> = ["dbt deps", "dbt seed", "dbt run"].map(str::to_owned).into();
            let dbt = DbtTask::new(commands)
                .project_directory("/Workspace/Shared/dbt")
                .profiles_directory("profiles")
                .warehouse_id("w1")
                .catalog("main")
                .schema("analytics")
                .source(Source::Workspace);
            let libraries = [Library::of_pypi("dbt-databricks>=1.8")];
            one("dbt", Task::new("dbt", dbt).libraries(libraries).new_cluster(cluster(0)))
        }),
        ("pipeline_refresh", {
            let pipeline =
                PipelineTask::new("p1").full_refresh(false).refresh_selection(["bronze", "silver"]);
            one("pipeline", Task::new("refresh", pipeline)).task(shared("check").depends_on(["refresh"]))
        }),
        ("run_another_job", {
            let child = RunJobTask::new(JobId::new(123_456_789_012_345))
                .job_parameters([("day", "{{job.parameters.day}}")]);
            one("orchestrator", Task::new("child", child))
                .parameters([("day", "{{job.start_time.iso_date}}")])
        }),
        ("run_another_job_with_old_parameters", {
            let child = RunJobTask::new(7)
                .dbt_commands(["dbt run"])
                .jar_params(["a"])
                .notebook_params([("n", "1")])
                .python_named_params([("p", "2")])
                .python_params(["b"])
                .spark_submit_params(["c"])
                .sql_params([("s", "3")])
                .pipeline_params(PipelineParams::new().full_refresh(true));
            one("old parameters", Task::new("child", child))
        }),
    ]
}

fn control_flow() -> Vec<Made> {
    vec![
        ("diamond", {
            let step = |key: &str| Task::notebook(key, format!("/d/{key}"));
            JobSettings::named("diamond").tasks([
                step("start"),
                step("left").depends_on(["start"]),
                step("right").depends_on(["start"]),
                step("end").after("left").after("right"),
            ])
        }),
        ("condition_with_branches", {
            let any = Task::condition("any", "{{tasks.count.values.rows}}", ConditionOp::GreaterThan, "0");
            JobSettings::named("branches").tasks([
                shared("count"),
                any.depends_on(["count"]),
                shared("report").after_outcome("any", true),
                shared("warn").after_outcome("any", false),
            ])
        }),
        ("for_each_element", {
            let country = NotebookTask::new("/Shared/country").base_parameters([("country", "{{input}}")]);
            let each =
                ForEachTask::new(r#"["DE", "FR", "IT"]"#, Task::new("country", country).max_retries(1));
            one("loop", Task::new("countries", each.concurrency(2)))
        }),
        ("for_each_value_of_a_task", {
            let load = RunJobTask::new(99).job_parameters([("table", "{{input.table}}")]);
            let each =
                ForEachTask::new("{{tasks.list.values.tables}}", Task::new("load", load)).concurrency(20);
            one("loop of jobs", shared("list")).task(Task::new("loads", each).depends_on(["list"]))
        }),
        ("run_if_after_failures", {
            let after = |key: &str, run_if| shared(key).depends_on(["a", "b"]).run_if(run_if);
            JobSettings::named("cleanup").tasks([
                shared("a"),
                shared("b"),
                after("notify", RunIf::AtLeastOneFailed),
                after("cleanup", RunIf::AllDone),
            ])
        }),
    ]
}
