//! What is wrong with settings, found before they are sent.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::defect::{Defect, TASKS};
use super::{JobSettings, Task, TaskKind};

impl JobSettings {
    /// What the service would refuse, or run into, found without it: names that are missing or double, tasks that wait for
    /// each other, code with nothing to run on. `create`, `reset` and `submit_run` check it before they send.
    pub fn defects(&self) -> Vec<Defect> {
        let tasks = self.tasks.as_deref().unwrap_or_default();
        let clusters = keys(&self.job_clusters, |cluster| &cluster.job_cluster_key);
        let environments = keys(&self.environments, |environment| &environment.environment_key);
        let parameters = keys(&self.parameters, |parameter| &parameter.name);
        let mut found = task_defects(tasks);
        for (list, names) in
            [("job_clusters", &clusters), ("environments", &environments), ("parameters", &parameters)]
        {
            found.extend(doubles(names).map(|name| Defect::Duplicate { list, name }));
        }
        for task in tasks.iter().flat_map(with_inner) {
            if let Some(key) = task.job_cluster_key.as_ref().filter(|key| !clusters.contains(&key.as_str())) {
                let (task, job_cluster_key) = (task.task_key.clone(), key.clone());
                found.push(Defect::UnknownJobCluster { task, job_cluster_key });
            }
            found.extend(unknown_environment(task, &environments));
        }
        found
    }
}

/// What is wrong with the tasks of a run that is submitted, given the environments it brings.
pub(crate) fn submit_defects(tasks: &[Task], environments: &[&str]) -> Vec<Defect> {
    let mut found = task_defects(tasks);
    if tasks.is_empty() {
        found.push(Defect::NoTasks);
    }
    for task in tasks.iter().flat_map(with_inner) {
        if task.job_cluster_key.is_some() {
            found.push(Defect::OnlyInJobs { task: task.task_key.clone(), field: "job_cluster_key" });
        }
        found.extend(unknown_environment(task, environments));
    }
    found
}

fn unknown_environment(task: &Task, environments: &[&str]) -> Option<Defect> {
    let key = task.environment_key.as_ref().filter(|key| !environments.contains(&key.as_str()))?;
    Some(Defect::UnknownEnvironment { task: task.task_key.clone(), environment_key: key.clone() })
}

/// What is wrong with tasks whatever stands around them.
fn task_defects(tasks: &[Task]) -> Vec<Defect> {
    let mut found: Vec<Defect> = tasks.iter().flat_map(with_inner).flat_map(own_defects).collect();
    if tasks.len() > TASKS {
        found.push(Defect::TooManyTasks { tasks: tasks.len() });
    }
    let names: Vec<&str> = tasks.iter().map(|task| task.task_key.as_str()).collect();
    found.extend(doubles(&names).map(|task| Defect::DuplicateTask { task }));
    found.extend(dependency_defects(tasks));
    found.extend(cycle(tasks));
    found
}

/// A task, and the one inside it.
fn with_inner(task: &Task) -> impl Iterator<Item = &Task> {
    let inner = match &task.kind {
        Some(TaskKind::ForEach(each)) => Some(each.task.as_ref()),
        _ => None,
    };
    std::iter::once(task).chain(inner)
}

fn own_defects(task: &Task) -> Vec<Defect> {
    let name = || task.task_key.clone();
    let mut found = Vec::new();
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !(1..=100).contains(&task.task_key.len()) || !task.task_key.chars().all(allowed) {
        found.push(Defect::TaskKey { task: name() });
    }
    // A kind without a record stands among the unknown fields.
    let others = task.extra.keys().filter(|field| field.ends_with("_task")).cloned();
    let fields: Vec<String> = task.kind.iter().map(|kind| kind.field().to_owned()).chain(others).collect();
    if fields.len() != 1 {
        found.push(Defect::Kind { task: name(), fields });
    }
    let compute = [
        ("existing_cluster_id", task.existing_cluster_id.is_some()),
        ("new_cluster", task.new_cluster.is_some()),
        ("job_cluster_key", task.job_cluster_key.is_some()),
        ("environment_key", task.environment_key.is_some()),
    ];
    let compute: Vec<&str> = compute.iter().filter(|(_, set)| *set).map(|(field, _)| *field).collect();
    match (&task.kind, compute.as_slice()) {
        (_, [_, _, ..]) => found.push(Defect::TooMuchCompute { task: name(), fields: compute }),
        (Some(kind), []) if kind.needs_compute() && !task.extra.contains_key("compute") => {
            found.push(Defect::NoCompute { task: name(), kind: kind.field() });
        }
        _ => {}
    }
    if let Some(TaskKind::ForEach(each)) = &task.kind {
        let inner_loop = matches!(each.task.kind, Some(TaskKind::ForEach(_)));
        if inner_loop || each.task.depends_on.as_ref().is_some_and(|on| !on.is_empty()) {
            found.push(Defect::Loop { task: name() });
        }
    }
    found
}

fn dependency_defects(tasks: &[Task]) -> Vec<Defect> {
    let by_key: HashMap<&str, &Task> = tasks.iter().map(|task| (task.task_key.as_str(), task)).collect();
    let mut found = Vec::new();
    for task in tasks {
        for on in task.depends_on.iter().flatten() {
            let (name, key) = (task.task_key.clone(), on.task_key.clone());
            match by_key.get(on.task_key.as_str()) {
                None => found.push(Defect::UnknownDependency { task: name, on: key }),
                Some(upstream) => {
                    let is_condition = matches!(upstream.kind, Some(TaskKind::Condition(_)));
                    if on.outcome.is_some() && !is_condition {
                        found.push(Defect::OutcomeOfNoCondition { task: name, on: key });
                    }
                }
            }
        }
    }
    found
}

/// A cycle, if there is one. Tasks that wait for nothing left are taken away; among those that remain everyone waits for
/// another, so that going from one to the next comes round.
fn cycle(tasks: &[Task]) -> Option<Defect> {
    let known: HashSet<&str> = tasks.iter().map(|task| task.task_key.as_str()).collect();
    let mut waiting: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut dependents: HashMap<&str, Vec<&str>> = HashMap::new();
    for task in tasks {
        let on = task.depends_on.iter().flatten().map(|on| on.task_key.as_str());
        let on: BTreeSet<&str> = on.filter(|key| known.contains(key)).collect();
        on.iter().for_each(|key| dependents.entry(key).or_default().push(&task.task_key));
        waiting.insert(&task.task_key, on);
    }
    let mut free: Vec<&str> = waiting.iter().filter(|(_, on)| on.is_empty()).map(|(key, _)| *key).collect();
    while let Some(done) = free.pop() {
        waiting.remove(done);
        for key in dependents.get(done).into_iter().flatten() {
            if let Some(on) = waiting.get_mut(key)
                && on.remove(done)
                && on.is_empty()
            {
                free.push(key);
            }
        }
    }
    let mut path: Vec<&str> = vec![waiting.keys().next()?];
    loop {
        let next = waiting.get(path.last()?)?.first()?;
        if let Some(at) = path.iter().position(|key| key == next) {
            let tasks = path.split_off(at).into_iter().map(str::to_owned).collect();
            return Some(Defect::Cycle { tasks });
        }
        path.push(next);
    }
}

fn keys<'a, T>(list: &'a Option<Vec<T>>, key: impl Fn(&'a T) -> &'a String) -> Vec<&'a str> {
    list.iter().flatten().map(|item| key(item).as_str()).collect()
}

/// The names that are there more than once, each once.
fn doubles(names: &[&str]) -> impl Iterator<Item = String> + use<> {
    let mut seen = HashSet::new();
    let doubles: BTreeSet<String> =
        names.iter().filter(|name| !seen.insert(**name)).map(|name| (*name).to_owned()).collect();
    doubles.into_iter()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::super::{ClusterSpec, ConditionOp, JobCluster, JobEnvironment, JobParameter, NotebookTask};
    use super::*;

    fn notebook(key: &str) -> Task {
        Task::notebook(key, "/n")
    }

    fn told(settings: &JobSettings) -> String {
        settings.defects().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_defect_is_named_with_its_remedy() {
        let cluster = || JobCluster::new("c", ClusterSpec::small());
        let mut two_kinds = notebook("both");
        two_kinds.extra.insert("power_bi_task".into(), json!({}));
        let mut nothing = notebook("nothing");
        nothing.kind = None;
        let settings = JobSettings::new()
            .job_clusters([cluster(), cluster()])
            .environments([JobEnvironment::new("e"), JobEnvironment::new("e")])
            .parameters([JobParameter::new("p", "1"), JobParameter::new("p", "2")])
            .tasks([
                notebook("a b"),
                notebook("twice"),
                notebook("twice"),
                notebook("late").depends_on(["nobody"]),
                notebook("x").depends_on(["z"]),
                notebook("y").depends_on(["x"]),
                notebook("z").depends_on(["y", "late"]),
                notebook("branch").after_outcome("late", true),
                two_kinds,
                nothing,
                Task::spark_python("bare", "/f.py"),
                Task::spark_python("rich", "/f.py").job_cluster_key("c").existing_cluster_id("1"),
                notebook("lost").job_cluster_key("missing"),
                notebook("lost2").environment_key("missing"),
                Task::for_each("loop", "[]", Task::for_each("inner", "[]", notebook("n"))),
                Task::for_each("loop2", "[]", Task::python_wheel("inner2", "p", "e").depends_on(["twice"])),
            ]);
        insta::assert_snapshot!(told(&settings));
        let many: Vec<Task> = (0..1001).map(|n| notebook(&format!("t{n}"))).collect();
        assert_eq!(told(&JobSettings::new().tasks(many)), "a job has at most 1000 tasks, not 1001");
    }

    #[test]
    fn what_is_right_has_no_defects() {
        let settings = JobSettings::new().job_clusters([JobCluster::new("c", ClusterSpec::small())]).tasks([
            Task::condition("day", "{{job.parameters.day}}", ConditionOp::EqualTo, "mon"),
            notebook("monday").after_outcome("day", true),
            Task::spark_python("other", "/f.py").job_cluster_key("c").after_outcome("day", false),
            Task::sql_query("end", "w", "q").depends_on(["monday", "other"]),
        ]);
        assert_eq!(settings.defects(), []);
        let newer: Task =
            serde_json::from_value(json!({"task_key": "a", "power_bi_task": {"warehouse_id": "w"}})).unwrap();
        assert_eq!(JobSettings::new().task(newer).defects(), []);
    }

    #[test]
    fn a_thousand_tasks_in_a_row_are_no_cycle_and_closed_they_are_one() {
        let chain = |first: Task| {
            let rest = (1..1000).map(|n| notebook(&format!("t{n}")).depends_on([format!("t{}", n - 1)]));
            JobSettings::new().tasks(std::iter::once(first).chain(rest))
        };
        assert_eq!(chain(notebook("t0")).defects(), []);
        let defects = chain(notebook("t0").depends_on(["t999"])).defects();
        assert!(matches!(defects.as_slice(), [Defect::Cycle { tasks }] if tasks.len() == 1000));
    }

    #[test]
    fn a_submitted_run_has_no_shared_clusters() {
        let tasks = [Task::new("a", NotebookTask::new("/n")).job_cluster_key("c")];
        let told: Vec<String> = submit_defects(&tasks, &[]).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "task `a` has a job_cluster_key, which only jobs have: give it a cluster or an environment of its own"
            ]
        );
        assert_eq!(submit_defects(&[], &[]), [Defect::NoTasks]);
    }
}
