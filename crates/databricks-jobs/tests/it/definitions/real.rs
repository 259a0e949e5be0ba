//! Definitions of others: what is read is written again, and most of it is seen by its type.

use std::collections::{BTreeMap, BTreeSet};

use databricks_jobs::{
    ConditionOp, DirtyState, GitProvider, HealthMetric, JobDeploymentKind, JobSettings, PauseStatus,
    PeriodicUnit, PermissionLevel, Task, TaskKind,
};
use serde::Deserialize;
use serde_json::Value;

use super::read;

/// A public definition, rewritten.
#[derive(Deserialize)]
struct Public {
    source: Source,
    settings: Value,
}

/// Where it comes from.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    repository: String,
    path: String,
    /// What of the file, where there is more than one definition in it.
    part: Option<String>,
    commit: String,
}

impl Source {
    /// The row of SOURCES.md that names it.
    fn row(&self, name: &str) -> String {
        let Self { repository, path, part, commit } = self;
        let ticks = if path.contains('`') { "``" } else { "`" };
        let part = part.as_ref().map(|part| format!(" ({part})")).unwrap_or_default();
        format!("| `{name}` | `{repository}` | {ticks}{path}{ticks}{part} | `{}` |", &commit[..10])
    }
}

fn public() -> BTreeMap<String, Public> {
    serde_json::from_str(include_str!("real.json")).unwrap()
}

fn settings(of: &str) -> JobSettings {
    serde_json::from_value(public().remove(of).unwrap().settings).unwrap()
}

/// What is read, changed in nothing and written is what was read.
fn survives(name: &str, value: &Value) {
    let settings: JobSettings =
        serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(serde_json::to_value(&settings).unwrap(), *value, "{name}");
    assert_eq!(settings.defects(), [], "{name}");
}

#[test]
fn forty_public_definitions_and_more_are_read_and_written_again_with_all_that_is_not_known() {
    let public = public();
    let sources: BTreeSet<&Source> = public.values().map(|definition| &definition.source).collect();
    assert!(sources.len() >= 40 && sources.len() == public.len(), "{} of {}", sources.len(), public.len());
    let told = include_str!("SOURCES.md");
    for (name, definition) in &public {
        let row = definition.source.row(name);
        assert_eq!(told.lines().filter(|line| *line == row).count(), 1, "SOURCES.md lacks\n{row}");
        assert_eq!(definition.source.commit.len(), 40, "{name}");
        survives(name, &definition.settings);
    }
    let rows = told.lines().filter(|line| line.starts_with("| `"));
    assert_eq!(rows.count(), public.len(), "SOURCES.md names what real.json lacks");
}

#[test]
fn definitions_of_our_own_with_what_no_example_has_are_too() {
    let invented = read(include_str!("invented.json"));
    assert_eq!(invented.len(), 27);
    for (name, value) in &invented {
        survives(name, value);
    }
}

/// The fields that stand in an `extra`, by the type whose it is, each with how often: as `{:#?}` shows them.
fn unknown(settings: &JobSettings) -> Vec<String> {
    let text = format!("{settings:#?}");
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut types: Vec<(usize, String)> = Vec::new();
    let mut extra: Option<usize> = None;
    let mut found = Vec::new();
    for line in text.lines() {
        let (depth, words) = (indent(line), line.trim());
        if let Some(outer) = extra {
            match words.split_once(':') {
                _ if depth <= outer => extra = None,
                Some((field, _)) if depth == outer + 4 && words.starts_with('"') => {
                    let (_, owner) = types.iter().rfind(|(at, _)| *at < depth - 4).unwrap();
                    found.push(format!("{owner}.{}", field.trim_matches('"')));
                }
                _ => {}
            }
        } else if words == "extra: {" {
            extra = Some(depth);
        } else if let Some(opened) = words.strip_suffix(" {") {
            types.retain(|(at, _)| *at < depth);
            types.push((depth, opened.rsplit(' ').next().unwrap().to_owned()));
        }
    }
    found
}

/// A gap in the types shows as a line here.
#[test]
fn little_of_the_public_definitions_is_not_known() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for definition in public().into_values() {
        let settings: JobSettings = serde_json::from_value(definition.settings).unwrap();
        for field in unknown(&settings) {
            *counts.entry(field).or_default() += 1;
        }
    }
    let lines: Vec<String> = counts.iter().map(|(field, count)| format!("{field}: {count}")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn what_stands_in_no_record_is_found() {
    let settings: JobSettings = serde_json::from_value(serde_json::json!({
        "newest": {"a": 1},
        "tasks": [{"task_key": "a", "of_task": 1, "notebook_task": {"notebook_path": "/n", "of_kind": {"x": {}}}}],
        "trigger": {"of_trigger": []},
    }))
    .unwrap();
    let mut found = unknown(&settings);
    found.sort();
    assert_eq!(
        found,
        ["JobSettings.newest", "NotebookTask.of_kind", "Task.of_task", "TriggerSettings.of_trigger"]
    );
}

fn tasks(settings: &JobSettings) -> &[Task] {
    settings.tasks.as_deref().unwrap_or_default()
}

#[test]
fn tasks_of_public_definitions_are_seen_by_their_kinds() {
    let kinds: BTreeSet<&str> = public()
        .into_values()
        .flat_map(|definition| {
            let settings: JobSettings = serde_json::from_value(definition.settings).unwrap();
            tasks(&settings).iter().filter_map(|task| Some(task.kind.as_ref()?.field())).collect::<Vec<_>>()
        })
        .collect();
    let all = [
        "ai_runtime_task",
        "alert_task",
        "condition_task",
        "dashboard_task",
        "dbt_task",
        "for_each_task",
        "notebook_task",
        "pipeline_task",
        "python_wheel_task",
        "run_job_task",
        "spark_jar_task",
        "spark_python_task",
        "sql_task",
    ];
    assert_eq!(kinds, BTreeSet::from(all));

    let loops = settings("a loop over a task's value");
    let Some(TaskKind::ForEach(each)) = &tasks(&loops)[1].kind else { panic!("{loops:?}") };
    assert_eq!((each.concurrency, each.task.task_key.as_str()), (Some(10), "one_region"));
    let Some(TaskKind::Notebook(inner)) = &each.task.kind else { panic!("{each:?}") };
    assert_eq!(inner.base_parameters.as_ref().unwrap()["region"], "{{input}}");

    let branches = settings("two branches");
    let Some(TaskKind::Condition(condition)) = &tasks(&branches)[1].kind else { panic!("{branches:?}") };
    assert_eq!((&condition.op, condition.right.as_str()), (&ConditionOp::GreaterThan, "250"));
    let outcomes: Vec<_> = tasks(&branches)[2..]
        .iter()
        .map(|task| task.depends_on.as_ref().unwrap()[0].outcome.clone())
        .collect();
    assert_eq!(outcomes, [Some("true".to_owned()), Some("false".to_owned())]);

    let board = settings("a dashboard by mail");
    let Some(TaskKind::Dashboard(dashboard)) = &tasks(&board)[0].kind else { panic!("{board:?}") };
    let subscription = dashboard.subscription.as_ref().unwrap();
    assert_eq!(subscription.paused, Some(false));
    assert_eq!(subscription.subscribers.as_ref().unwrap()[0].user_name.as_deref(), Some("board@example.com"));

    let gpu = settings("training on a GPU");
    let Some(TaskKind::AiRuntime(training)) = &tasks(&gpu)[0].kind else { panic!("{gpu:?}") };
    let compute = &training.deployments[0].compute;
    assert_eq!((compute.accelerator_type.as_str(), compute.accelerator_count), ("GPU_1xA10", 1));
    assert_eq!((tasks(&gpu)[0].max_retries, tasks(&gpu)[0].timeout_seconds), (Some(2), Some(5400)));
}

#[test]
fn what_surrounds_the_tasks_of_public_definitions_is_seen() {
    let python = settings("python template");
    let periodic = python.trigger.as_ref().unwrap().periodic.as_ref().unwrap();
    assert_eq!((periodic.interval, &periodic.unit), (1, &PeriodicUnit::Days));
    assert_eq!(python.parameters.as_ref().unwrap()[1].default, "orders");
    assert_eq!(tasks(&python)[1].environment_key.as_deref(), Some("wheels"));

    let files = settings("files that arrive");
    let arrival = files.trigger.as_ref().unwrap().file_arrival.as_ref().unwrap();
    assert_eq!(
        (arrival.url.as_str(), arrival.wait_after_last_change_seconds),
        ("/Volumes/main/billing/invoices/", Some(75))
    );

    let health = settings("health of job and task");
    for rules in [&health.health, &tasks(&health)[0].health] {
        let rule = &rules.as_ref().unwrap().rules.as_ref().unwrap()[0];
        assert_eq!((&rule.metric, rule.value), (&HealthMetric::RunDurationSeconds, 1800));
    }

    let slides = settings("slides on three clusters");
    let gpu = &slides.job_clusters.as_ref().unwrap()[2].new_cluster;
    let script = gpu.init_scripts.as_ref().unwrap()[0].workspace.as_ref().unwrap();
    assert_eq!((gpu.num_workers, script.destination.as_str()), (Some(2), "/Repos/slides/tools.sh"));
    let library = &tasks(&slides)[1].libraries.as_ref().unwrap()[0];
    assert_eq!(library.pypi.as_ref().unwrap().package, "openslide-python");

    let calls = settings("calls written down");
    let scripts = calls.job_clusters.as_ref().unwrap()[1].new_cluster.init_scripts.as_ref().unwrap();
    assert_eq!(scripts[0].dbfs.as_ref().unwrap().destination, "dbfs:/demo/calls/tools.sh");

    let tag = settings("a tag of a repository").git_source.unwrap();
    assert_eq!((&tag.git_provider, tag.git_tag.as_deref()), (&GitProvider::GitHub, Some("1.2.3")));
    assert_eq!(tag.job_source.unwrap().dirty_state, Some(DirtyState::NotSynced));

    let bundle = settings("deployed by a bundle");
    assert_eq!(bundle.deployment.unwrap().kind, JobDeploymentKind::Bundle);
    assert_eq!(bundle.schedule.unwrap().pause_status, Some(PauseStatus::Paused));

    let access = settings("a large deployment file").access_control_list.unwrap();
    let levels: Vec<_> = access.iter().map(|who| who.permission_level.clone().unwrap()).collect();
    assert_eq!(levels, [PermissionLevel::IsOwner, PermissionLevel::CanView]);
}
