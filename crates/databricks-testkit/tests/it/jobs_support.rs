//! Jobs from the outside: short ways to create, start, watch and read them.

use std::time::Duration;

use databricks_testkit::{JobsScript, ScriptedEngine};
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Answer, Caller, builder};

pub(crate) const JOBS: &str = "/api/2.2/jobs";

/// A caller on a workspace with jobs.
#[derive(Clone)]
pub(crate) struct Jobs {
    pub(crate) caller: Caller,
    pub(crate) script: JobsScript,
}

impl Jobs {
    pub(crate) fn new() -> Self {
        Self::with_engine(&ScriptedEngine::new())
    }

    /// Tasks that no script is about succeed.
    pub(crate) fn with_engine(engine: &ScriptedEngine) -> Self {
        let jobs = Self::strict(engine);
        jobs.script.unscripted_tasks_succeed();
        jobs
    }

    /// Tasks that no script is about fail.
    pub(crate) fn strict(engine: &ScriptedEngine) -> Self {
        let script = JobsScript::new();
        Self { caller: Caller::new(builder(engine).jobs(script.clone()).build()), script }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.caller.get(&format!("{JOBS}/{path}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        answer.json()
    }

    pub(crate) async fn post_any(&self, path: &str, body: Value) -> Answer {
        self.caller.post(&format!("{JOBS}/{path}"), body).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.post_any(path, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        answer.json()
    }

    /// The message of a refusal, which is a 400 with `INVALID_PARAMETER_VALUE`.
    pub(crate) async fn refused(&self, path: &str, body: Value) -> String {
        refusal(&self.post_any(path, body).await)
    }

    pub(crate) async fn refused_get(&self, path: &str) -> String {
        refusal(&self.caller.get(&format!("{JOBS}/{path}")).await)
    }

    pub(crate) async fn create(&self, settings: Value) -> i64 {
        self.post("create", settings).await["job_id"].as_i64().unwrap()
    }

    pub(crate) async fn run_now(&self, job_id: i64) -> i64 {
        self.run_now_with(job_id, json!({})).await
    }

    pub(crate) async fn run_now_with(&self, job_id: i64, more: Value) -> i64 {
        let mut body = more;
        body["job_id"] = json!(job_id);
        self.post("run-now", body).await["run_id"].as_i64().unwrap()
    }

    pub(crate) async fn submit(&self, tasks: Value) -> i64 {
        self.post("runs/submit", json!({ "tasks": tasks })).await["run_id"].as_i64().unwrap()
    }

    pub(crate) async fn run(&self, run_id: i64) -> Value {
        self.get(&format!("runs/get?run_id={run_id}")).await
    }

    pub(crate) async fn output(&self, run_id: i64) -> Value {
        self.get(&format!("runs/get-output?run_id={run_id}")).await
    }

    /// The run with all its tasks, once it is over.
    pub(crate) async fn wait(&self, run_id: i64) -> Value {
        for _ in 0..100_000 {
            let run = self.run(run_id).await;
            if run["status"]["state"] == "TERMINATED" {
                return self.all_tasks(run).await;
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        panic!("run {run_id} does not end: {}", self.run(run_id).await);
    }

    /// Starts a run and waits for it.
    pub(crate) async fn finish(&self, job_id: i64) -> Value {
        self.wait(self.run_now(job_id).await).await
    }

    async fn all_tasks(&self, mut run: Value) -> Value {
        let run_id = run["run_id"].as_i64().unwrap();
        while let Some(token) = run["next_page_token"].as_str().map(str::to_owned) {
            let page = self.get(&format!("runs/get?run_id={run_id}&page_token={token}")).await;
            let more = page["tasks"].as_array().unwrap().clone();
            run["tasks"].as_array_mut().unwrap().extend(more);
            run["next_page_token"] = page["next_page_token"].clone();
        }
        run
    }
}

fn refusal(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    assert_eq!(answer.json()["error_code"], "INVALID_PARAMETER_VALUE");
    answer.json()["message"].as_str().unwrap().to_owned()
}

/// A notebook task, with more fields.
pub(crate) fn notebook(key: &str, more: Value) -> Value {
    let mut task = json!({"task_key": key, "notebook_task": {"notebook_path": format!("/{key}")}});
    task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    task
}

/// `depends_on` these tasks.
pub(crate) fn after(keys: &[&str]) -> Value {
    let depends_on: Vec<Value> = keys.iter().map(|key| json!({ "task_key": key })).collect();
    json!({ "depends_on": depends_on })
}

/// The id of the last attempt of a task.
pub(crate) fn task_id(run: &Value, key: &str) -> i64 {
    task(run, key)["run_id"].as_i64().unwrap()
}

/// The last attempt of a task.
pub(crate) fn task<'a>(run: &'a Value, key: &str) -> &'a Value {
    let tasks = run["tasks"].as_array().unwrap();
    tasks.iter().rev().find(|task| task["task_key"] == key).unwrap_or_else(|| panic!("no task {key}: {run}"))
}

/// `RESULT code`, of a run or a task that is over.
pub(crate) fn ending(run: &Value) -> String {
    let result = run["state"]["result_state"].as_str().unwrap_or("-");
    let code = run["status"]["termination_details"]["code"].as_str().unwrap_or("-");
    format!("{result} {code}")
}

/// `key#attempt RESULT code` of all attempts, in their order.
pub(crate) fn endings(run: &Value) -> Vec<String> {
    let line = |task: &Value| {
        format!("{}#{} {}", task["task_key"].as_str().unwrap(), task["attempt_number"], ending(task))
    };
    run["tasks"].as_array().unwrap().iter().map(line).collect()
}
