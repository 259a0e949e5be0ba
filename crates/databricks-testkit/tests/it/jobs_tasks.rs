//! What tasks do: scripts and closures, SQL on the engine, runs of other jobs, and the values they are given.

use std::time::Duration;

use databricks_testkit::{Column, ScriptedEngine, TaskOutcome};
use serde_json::{Value, json};

use crate::jobs_support::{Jobs, after, ending, endings, notebook, task, task_id};
use crate::support::WAREHOUSE;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn what_a_task_does_is_scripted() {
    let jobs = Jobs::new();
    jobs.script.on_task("exits").duration(MINUTE).returns("42");
    jobs.script.on_notebook("/json").returns(json!({"rows": 3}));
    jobs.script
        .on_matching(|call| call.kind == "spark_python_task")
        .ends(TaskOutcome::success().with_logs("hello"));
    jobs.script.on_task("broken").ends(TaskOutcome::failure("ZeroDivisionError").with_trace("line 1"));
    jobs.script
        .on_task("cloud")
        .ends(TaskOutcome::failure("no nodes").with_code("CLUSTER_ERROR", "CLOUD_FAILURE"));
    jobs.script.on_task("theirs").ends(TaskOutcome::internal_error("The driver is gone."));
    jobs.script.on_task("panics").runs(|_| async { panic!("a bug of the test") });
    let python = json!({"task_key": "python", "spark_python_task": {"python_file": "/p.py"}});
    let tasks = ["exits", "json", "broken", "cloud", "theirs", "panics"].map(|key| notebook(key, json!({})));
    let mut tasks: Vec<Value> = tasks.into();
    tasks.push(python);
    let run = jobs.wait(jobs.submit(json!(tasks)).await).await;
    assert_eq!(run["run_type"], "SUBMIT_RUN");
    let mut told = vec![endings(&run).join("\n")];
    for key in ["exits", "json", "python", "broken", "cloud", "theirs", "panics"] {
        let mut output = jobs.output(task_id(&run, key)).await;
        let message = output["metadata"]["state"]["state_message"].clone();
        output.as_object_mut().unwrap().remove("metadata").unwrap();
        told.push(format!("{key}: {output} | {message}"));
    }
    told.push(format!("{} | {}", run["state"], run["status"]));
    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_closure_sees_its_call_with_parameters_and_references_resolved() {
    let jobs = Jobs::new();
    jobs.script.on_task("load").runs(|call| async move {
        let day = call.parameter("day").unwrap();
        TaskOutcome::success().with_result(format!("{day} as {}", call.user)).with_value("rows", 7)
    });
    let load = json!({"task_key": "load", "notebook_task": {"notebook_path": "/load", "base_parameters": {
        "run": "{{job.name}}/{{task.name}}/{{task.execution_count}}", "day": "own", "kept": "{{not.known}}"}}});
    let report = notebook("report", after(&["load"]));
    let mut report = report;
    report["notebook_task"]["base_parameters"] = json!({"rows": "{{tasks.load.values.rows}}", "was": "{{tasks.load.result_state}}", "id": "{{job.parameters.where}}"});
    let job = jobs
        .create(json!({"name": "etl", "tasks": [load, report], "parameters": [
            {"name": "day", "default": "2024-01-01"}, {"name": "where", "default": "job {{job.id}}"}]}))
        .await;
    let run_id = jobs.run_now_with(job, json!({"job_parameters": {"day": "2024-05-05"}})).await;
    let run = jobs.wait(run_id).await;
    assert_eq!(ending(&run), "SUCCESS SUCCESS");
    let output = jobs.output(task_id(&run, "load")).await;
    assert_eq!(output["notebook_output"]["result"], "2024-05-05 as user@simulated.invalid");
    let calls = jobs.script.calls();
    assert_eq!(
        calls[0].task["base_parameters"],
        json!({"run": "etl/load/1", "day": "2024-05-05", "kept": "{{not.known}}", "where": format!("job {job}")})
    );
    assert_eq!(
        (&calls[1].task["base_parameters"]["rows"], &calls[1].task["base_parameters"]["was"]),
        (&json!("7"), &json!("success"))
    );
    let resolved = jobs.get(&format!("runs/get?run_id={run_id}&include_resolved_values=true")).await;
    let values = &task(&resolved, "report")["resolved_values"]["notebook_task"]["base_parameters"];
    assert_eq!(values["id"], format!("job {job}"));
    assert_eq!(
        run["job_parameters"][0],
        json!({"name": "day", "default": "2024-01-01", "value": "2024-05-05"})
    );
}

#[tokio::test(start_paused = true)]
async fn a_reference_without_a_value_fails_its_task_and_names_itself() {
    let jobs = Jobs::new();
    for (text, why) in [
        ("{{job.naem}}", "is not known"),
        ("{{job.parameters.absent}}", "which this run has not"),
        ("{{tasks.nobody.run_id}}", "no task of this run"),
        ("{{tasks.a.values.x}}", "has not set"),
        ("{{input}}", "only inside a for-each task"),
        ("{{workspace.id}}", "not simulated"),
    ] {
        let mut a = notebook("a", json!({}));
        a["notebook_task"]["base_parameters"] = json!({ "x": text });
        let run = jobs.wait(jobs.submit(json!([a])).await).await;
        assert_eq!(ending(&run["tasks"][0]), "FAILED INVALID_RUN_CONFIGURATION");
        let message = run["tasks"][0]["state"]["state_message"].as_str().unwrap();
        assert!(message.contains(text) && message.contains(why), "{message}");
    }
    let job = jobs
        .create(json!({"tasks": [notebook("a", json!({}))], "parameters": [{"name": "p", "default": "{{task.name}}"}]}))
        .await;
    let run = jobs.finish(job).await;
    assert_eq!(ending(&run), "FAILED INVALID_RUN_CONFIGURATION");
    assert!(run["state"]["state_message"].as_str().unwrap().contains("{{task.name}}"));
}

#[tokio::test(start_paused = true)]
async fn a_sql_task_runs_on_the_statement_engine() {
    let engine = ScriptedEngine::new();
    engine.on("SELECT :day").delay(MINUTE).rows([Column::new("d", "STRING")], [[json!("x")]]);
    engine.on("INSERT").affected(1);
    engine.on_containing("BROKEN").fail("TABLE_OR_VIEW_NOT_FOUND", "42P01", "No table.");
    let jobs = Jobs::with_engine(&engine);
    jobs.script.query("q", "SELECT :day").sql_file("/f.sql", ["INSERT", "BROKEN", "NEVER"]);
    let sql = |key: &str, more: Value| {
        let mut sql = json!({"warehouse_id": WAREHOUSE});
        sql.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"task_key": key, "sql_task": sql})
    };
    let job = jobs
        .create(json!({"parameters": [{"name": "day", "default": "mon"}, {"name": "other", "default": "x"}], "tasks": [
            sql("query", json!({"query": {"query_id": "q"}, "parameters": {"n": "{{job.run_id}}"}})),
            sql("file", json!({"file": {"path": "/f.sql", "source": "WORKSPACE"}})),
            sql("unknown", json!({"query": {"query_id": "nope"}})),
            {"task_key": "elsewhere", "sql_task": {"warehouse_id": "0000", "query": {"query_id": "q"}}},
        ]}))
        .await;
    let run = jobs.finish(job).await;
    let mut told = endings(&run);
    for key in ["file", "unknown", "elsewhere"] {
        told.push(jobs.output(task_id(&run, key)).await["error"].to_string());
    }
    insta::assert_snapshot!(told.join("\n"));
    assert_eq!(task(&run, "query")["execution_duration"], 60_000);
    let output = jobs.output(task_id(&run, "query")).await;
    assert_eq!(output["sql_output"]["query_output"]["query_text"], "SELECT :day");
    let requests = engine.requests();
    let query = requests.iter().find(|request| request.statement == "SELECT :day").unwrap();
    let given: Vec<_> =
        query.parameters.iter().map(|p| (p.name.clone().unwrap(), p.value.clone().unwrap())).collect();
    assert_eq!(given, [("n".to_owned(), run["run_id"].to_string()), ("day".to_owned(), "mon".to_owned())]);
    assert!(!engine.statements().contains(&"NEVER".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_run_job_task_ends_as_the_run_it_starts() {
    let jobs = Jobs::new();
    jobs.script.on_task("bad").fails("Broken");
    let good = jobs
        .create(
            json!({"tasks": [notebook("good", json!({}))], "parameters": [{"name": "p", "default": "x"}]}),
        )
        .await;
    let bad = jobs.create(json!({"tasks": [notebook("bad", json!({}))]})).await;
    let endless = jobs.create(json!({"max_concurrent_runs": 10, "tasks": [notebook("x", json!({}))]})).await;
    let itself = json!({"task_key": "again", "run_job_task": {"job_id": endless}});
    jobs.post(
        "reset",
        json!({"job_id": endless, "new_settings": {"max_concurrent_runs": 10, "tasks": [itself]}}),
    )
    .await;
    let run_job = |key: &str, job: i64| json!({"task_key": key, "run_job_task": {"job_id": job, "job_parameters": {"p": "{{task.name}}"}}});
    let run = jobs
        .wait(
            jobs.submit(json!([
                run_job("g", good),
                run_job("b", bad),
                run_job("e", endless),
                run_job("n", 7)
            ]))
            .await,
        )
        .await;
    assert_eq!(
        endings(&run),
        [
            "g#0 SUCCESS SUCCESS",
            "b#0 FAILED RUN_EXECUTION_ERROR",
            "e#0 FAILED RUN_EXECUTION_ERROR",
            "n#0 FAILED INVALID_RUN_CONFIGURATION"
        ]
    );
    let output = jobs.output(task_id(&run, "g")).await;
    let child = jobs.run(output["run_job_output"]["run_id"].as_i64().unwrap()).await;
    assert_eq!(
        (&child["trigger"], &child["job_parameters"][0]["value"]),
        (&json!("RUN_JOB_TASK"), &json!("g"))
    );
    assert_eq!(child["trigger_info"]["run_id"], task_id(&run, "g"));
    let depth = jobs.get(&format!("runs/list?job_id={endless}")).await;
    assert_eq!(depth["runs"].as_array().unwrap().len(), 3);
    assert!(task(&run, "n")["state"]["state_message"].as_str().unwrap().contains("Job 7 does not exist"));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_job_task_cancels_the_run_it_started() {
    let jobs = Jobs::new();
    jobs.script.on_task("a").never();
    let child = jobs.create(json!({"tasks": [notebook("a", json!({}))]})).await;
    let run_id = jobs.submit(json!([{"task_key": "p", "run_job_task": {"job_id": child}}])).await;
    tokio::time::sleep(MINUTE).await;
    jobs.post("runs/cancel", json!({ "run_id": run_id })).await;
    jobs.wait(run_id).await;
    tokio::time::sleep(MINUTE).await;
    let listed = jobs.get(&format!("runs/list?job_id={child}")).await;
    assert_eq!(ending(&listed["runs"][0]), "CANCELED USER_CANCELED");
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_not_simulated_needs_a_script() {
    let jobs = Jobs::new();
    let tasks = json!([{"task_key": "d", "dashboard_task": {"dashboard_id": "x"}}]);
    let message = jobs.refused("runs/submit", json!({ "tasks": tasks })).await;
    assert!(message.contains("a dashboard_task is not simulated"), "{message}");
    jobs.script.on_task("d").times(1).succeeds();
    assert_eq!(ending(&jobs.wait(jobs.submit(tasks.clone()).await).await), "SUCCESS SUCCESS");
    let run = jobs.wait(jobs.submit(tasks).await).await;
    assert_eq!(ending(&run["tasks"][0]), "FAILED INVALID_RUN_CONFIGURATION");
}

#[tokio::test(start_paused = true)]
async fn a_code_task_that_no_script_is_about_fails_by_name() {
    let jobs = Jobs::strict(&ScriptedEngine::new());
    jobs.script.on_notebook("/etl/load").returns("42 rows");
    jobs.script.on_task("once").times(1).fails("Connection reset");
    let load = |key: &str, path: &str| json!({"task_key": key, "notebook_task": {"notebook_path": path}});
    let wheel =
        json!({"task_key": "wheel", "python_wheel_task": {"package_name": "p", "entry_point": "main"}});
    let once = notebook("once", json!({"max_retries": 1}));
    let tasks = json!([load("right", "/etl/load"), load("typo", "/etl/laod"), wheel, once]);
    let run = jobs.wait(jobs.submit(tasks).await).await;
    assert_eq!(run["state"]["result_state"], "FAILED");
    let told: Vec<&str> = ["right", "typo", "wheel", "once"]
        .iter()
        .map(|key| task(&run, key)["state"]["state_message"].as_str().unwrap())
        .collect();
    insta::assert_snapshot!(format!("{}\n{}", endings(&run).join("\n"), told.join("\n")));
}

#[tokio::test(start_paused = true)]
async fn scripts_tell_which_of_them_had_no_turn() {
    let jobs = Jobs::strict(&ScriptedEngine::new());
    jobs.script.on_task("a").succeeds();
    jobs.script.on_task("b").times(2).succeeds();
    jobs.script.on_notebook("/never").succeeds();
    let run = jobs.wait(jobs.submit(json!([notebook("a", json!({})), notebook("b", json!({}))])).await).await;
    assert_eq!(ending(&run), "SUCCESS SUCCESS");
    let turns = |(name, taken, left): (String, u64, Option<u64>)| format!("{name} {taken} {left:?}");
    let unused: Vec<String> = jobs
        .script
        .unused()
        .into_iter()
        .map(|unused| turns((unused.name, unused.taken, unused.left)))
        .collect();
    assert_eq!(unused, ["task 'b' 1 Some(1)", "notebook '/never' 0 None"]);
    assert_eq!(jobs.script.turns().len(), 3);
}
