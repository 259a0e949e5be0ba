"""databricks-sdk: jobs and their runs.

The simulated runs succeed at once. Their tasks are notebooks, or files of SQL that were imported into the workspace; a
server has no door to register the SQL of a saved query, and a task of such a query is the one that fails.
"""

import base64
import json
from pathlib import Path

from databricks.sdk.errors import DatabricksError, InvalidParameterValue, OperationFailed
from databricks.sdk.service.compute import ClusterSpec
from databricks.sdk.service.jobs import (
    ForEachTask,
    JobAccessControlRequest,
    JobCluster,
    JobPermissionLevel,
    JobSettings,
    NotebookTask,
    RunLifeCycleState,
    RunResultState,
    SqlTask,
    SqlTaskFile,
    SqlTaskQuery,
    SubmitTask,
    Task,
    TaskDependency,
)

from databricks.sdk.service.workspace import ImportFormat, Language

import job_definitions
from harness import case, contains, equal, raises

#: The definitions that the Rust tests write (sdk.json) and read (real.json, invented.json).
DEFINITIONS = Path(__file__).parents[2] / "crates/databricks-jobs/tests/it/definitions"

#: Read definitions that say more than this client knows: words no client knows, fields of one task at the place of a job's
#: (Jobs API 2.0) or of old releases, what is only for `create`, and mistakes of their authors.
UNKNOWN = {
    "a group of tasks from Airflow",
    "a large deployment file",
    "a tag of a repository",
    "a trigger written too flat",
    "compute by key",
    "deployed by a bundle",
    "destinations by event",
    "notebooks of a repository and not",
    "one task, as it once was",
    "retraining when it drifts",
    "words of a newer API",
}

NOTEBOOK = NotebookTask(notebook_path="/Workspace/Shared/of-a-case", base_parameters={"day": "2024-02-29"})


def task(key, *after):
    """A notebook task that runs after others."""
    depends_on = [TaskDependency(task_key=other) for other in after] or None
    return Task(task_key=key, notebook_task=NOTEBOOK, depends_on=depends_on)


def failing_task(ws, key):
    """A task of a query that nobody has saved."""
    query = SqlTaskQuery(query_id="nowhere")
    return Task(task_key=key, sql_task=SqlTask(warehouse_id=ws.warehouse, query=query))


def stated(value):
    """A value without what is empty in it, which the client leaves out."""
    if isinstance(value, dict):
        kept = {name: stated(of) for name, of in value.items()}
        return {name: of for name, of in kept.items() if of not in ({}, [], None)}
    return [stated(of) for of in value] if isinstance(value, list) else value


def states(run):
    return run.state.life_cycle_state, run.state.result_state


@case("sdk")
def a_job_is_made_read_and_deleted(ws):
    """jobs.create, get, list by name, delete"""
    client = ws.sdk().jobs
    job = client.create(name="of a case", tasks=[task("only")], tags={"team": "clients"})
    found = client.get(job.job_id)
    equal((found.settings.name, found.settings.tags), ("of a case", {"team": "clients"}))
    equal(found.settings.tasks[0].notebook_task, NOTEBOOK)
    equal([listed.job_id for listed in client.list(name="of a case")], [job.job_id])
    client.delete(job.job_id)
    raises(DatabricksError, lambda: client.get(job.job_id))


@case("sdk")
def jobs_in_pages(ws):
    """jobs.list follows pages of two"""
    client = ws.sdk().jobs
    made = [client.create(name=f"paged {n}", tasks=[task("only")]).job_id for n in range(5)]
    listed = [job.job_id for job in client.list(limit=2)]
    equal(sorted(set(listed) & set(made)), sorted(made))
    equal(len(listed), len(set(listed)))


@case("sdk")
def a_cycle_of_tasks_is_refused(ws):
    """jobs.create of tasks that wait for each other: InvalidParameterValue"""
    tasks = [task("a", "b"), task("b", "a")]
    raises(InvalidParameterValue, lambda: ws.sdk().jobs.create(name="cycle", tasks=tasks))


@case("sdk")
def a_run_is_waited_for(ws):
    """jobs.run_now(..).result(): terminated, both tasks, output, list_runs"""
    client = ws.sdk().jobs
    job = client.create(name="runs", tasks=[task("first"), task("second", "first")])
    run = client.run_now(job.job_id).result()
    equal(states(run), (RunLifeCycleState.TERMINATED, RunResultState.SUCCESS))
    equal(sorted(of.task_key for of in run.tasks), ["first", "second"])
    output = client.get_run_output(run.tasks[0].run_id)
    equal(output.metadata.run_id, run.tasks[0].run_id)
    equal([listed.run_id for listed in client.list_runs(job_id=job.job_id)], [run.run_id])


@case("sdk")
def an_idempotency_token_starts_one_run(ws):
    """jobs.run_now twice with one token: one run"""
    client = ws.sdk().jobs
    job = client.create(name="once", tasks=[task("only")])
    runs = {client.run_now(job.job_id, idempotency_token="same").run_id for _ in range(2)}
    equal(len(runs), 1)
    equal([listed.run_id for listed in client.list_runs(job_id=job.job_id)], list(runs))


@case("sdk")
def a_submitted_run(ws):
    """jobs.submit(..).result(): a run without a job"""
    run = ws.sdk().jobs.submit(run_name="once", tasks=[SubmitTask(task_key="only", notebook_task=NOTEBOOK)]).result()
    equal((run.run_name, run.state.result_state), ("once", RunResultState.SUCCESS))


@case("sdk")
def a_run_that_fails_says_why(ws):
    """a task that cannot run: result() raises with its message; the run is there to be read"""
    client = ws.sdk().jobs
    job = client.create(name="fails", tasks=[task("fine"), failing_task(ws, "broken")])
    waiting = client.run_now(job.job_id)
    contains(raises(OperationFailed, lambda: waiting.result()), "broken", "nowhere")
    run = client.get_run(waiting.run_id)
    results = {of.task_key: of.state.result_state for of in run.tasks}
    equal((results["fine"], results["broken"]), (RunResultState.SUCCESS, RunResultState.FAILED))


@case("sdk")
def a_run_is_repaired(ws):
    """jobs.repair_run of the failed task: a second attempt with an id of its own"""
    client = ws.sdk().jobs
    job = client.create(name="repaired", tasks=[task("fine"), failing_task(ws, "broken")])
    waiting = client.run_now(job.job_id)
    raises(OperationFailed, lambda: waiting.result())
    repair = client.repair_run(waiting.run_id, rerun_tasks=["broken"])
    raises(OperationFailed, lambda: repair.result())
    run = client.get_run(waiting.run_id, include_history=True)
    equal([item.id for item in run.repair_history][1:], [repair.response.repair_id])
    equal([of.attempt_number for of in run.tasks if of.task_key == "fine"], [0])


@case("sdk")
def a_run_is_cancelled(ws):
    """jobs.cancel_run_and_wait: the run is over"""
    client = ws.sdk().jobs
    job = client.create(name="cancelled", tasks=[task("only")])
    run = client.cancel_run_and_wait(client.run_now(job.job_id).run_id)
    equal(run.state.life_cycle_state, RunLifeCycleState.TERMINATED)
    equal(run.state.result_state in (RunResultState.CANCELED, RunResultState.SUCCESS), True)


def loses(definition):
    """Whether the client, reading a definition and writing it, says less or other than it does; or cannot read it."""
    try:
        return stated(JobSettings.from_dict(definition).as_dict()) != stated(definition)
    except (AttributeError, KeyError, ValueError):
        return True


@case("sdk")
def definitions_are_as_checked_in(ws):
    """JobSettings.as_dict of 44 definitions: what the Rust builders are compared with; from_dict of 89 others gives back all they say, but for eleven with fields beyond it; create takes one"""
    equal(job_definitions.sent(), json.loads((DEFINITIONS / "sdk.json").read_text()))
    others = {name: found["settings"] for name, found in json.loads((DEFINITIONS / "real.json").read_text()).items()}
    others.update(json.loads((DEFINITIONS / "invented.json").read_text()))
    equal(len(others), 89)
    equal({name for name, wanted in others.items() if loses(wanted)}, UNKNOWN)
    settings = job_definitions.DEFINITIONS["condition_with_branches"]()
    client = ws.sdk().jobs
    job = client.create(name=settings.name, tasks=settings.tasks)
    equal(client.get(job.job_id).settings.tasks[1].condition_task, settings.tasks[1].condition_task)


@case("sdk")
def a_large_job_in_pages(ws):
    """jobs.get and get_run of 230 tasks on 130 clusters: all pages"""
    client = ws.sdk().jobs
    clusters = [JobCluster(f"c{n}", ClusterSpec(spark_version="16.4.x-scala2.12", num_workers=1)) for n in range(130)]
    job = client.create(name="large", tasks=[task(f"t{n}") for n in range(230)], job_clusters=clusters)
    settings = client.get(job.job_id).settings
    equal((len(settings.tasks), len(settings.job_clusters)), (230, 130))
    run = client.run_now(job.job_id).result()
    equal(len(run.tasks), 230)


@case("sdk")
def a_loop_in_pages(ws):
    """get_run of a for-each task: 130 iterations over two pages"""
    client = ws.sdk().jobs
    loop = ForEachTask(inputs=json.dumps(list(range(130))), concurrency=50, task=task("item"))
    run = client.submit(run_name="loop", tasks=[SubmitTask(task_key="loop", for_each_task=loop)]).result()
    equal(len(client.get_run(run.tasks[0].run_id).iterations), 130)


@case("sdk")
def a_file_of_sql_runs(ws):
    """workspace.mkdirs and import_, a sql_task of that file: rows are there, get_run_output names the statements"""
    client = ws.sdk()
    client.workspace.mkdirs("/Shared/cases")
    sql = "CREATE TABLE main.default.of_a_job (n INT); INSERT INTO main.default.of_a_job VALUES (1), (2)"
    content = base64.b64encode(sql.encode()).decode()
    client.workspace.import_("/Shared/cases/rows.sql", content=content, format=ImportFormat.RAW, overwrite=True)
    sql_task = SqlTask(warehouse_id=ws.warehouse, file=SqlTaskFile(path="/Shared/cases/rows.sql"))
    run = client.jobs.submit(run_name="sql", tasks=[SubmitTask(task_key="rows", sql_task=sql_task)]).result()
    equal(run.state.result_state, RunResultState.SUCCESS)
    output = client.jobs.get_run_output(run.tasks[0].run_id)
    equal(len(output.sql_output.query_output.sql_statements), 2)
    answer = client.statement_execution.execute_statement("SELECT sum(n) FROM main.default.of_a_job", ws.warehouse)
    equal(answer.result.data_array, [["3"]])


@case("sdk")
def a_notebook_is_imported_and_exported(ws):
    """workspace.import_ and export; jobs.export_run of a run of it: one page of HTML"""
    client = ws.sdk()
    source = b"# Databricks notebook source\nprint(1)"
    content = base64.b64encode(source).decode()
    client.workspace.import_("/Shared/of-export", content=content, language=Language.PYTHON, overwrite=True)
    equal(base64.b64decode(client.workspace.export("/Shared/of-export").content), source)
    notebook = NotebookTask(notebook_path="/Shared/of-export")
    run = client.jobs.submit(run_name="n", tasks=[SubmitTask(task_key="n", notebook_task=notebook)]).result()
    contains(client.jobs.export_run(run.tasks[0].run_id).views[0].content, "print(1)")


@case("sdk")
def a_job_is_changed(ws):
    """jobs.update merges tasks, reset replaces all"""
    client = ws.sdk().jobs
    job = client.create(name="changed", tasks=[task("one")])
    client.update(job.job_id, new_settings=JobSettings(max_concurrent_runs=3, tasks=[task("two", "one")]))
    settings = client.get(job.job_id).settings
    equal(([of.task_key for of in settings.tasks], settings.max_concurrent_runs), (["one", "two"], 3))
    client.reset(job.job_id, JobSettings(name="other", tasks=[task("three")]))
    equal(client.get(job.job_id).settings.name, "other")


@case("sdk")
def permissions_of_a_job(ws):
    """jobs.update_permissions and get_permissions, get_permission_levels"""
    client = ws.sdk().jobs
    job_id = str(client.create(name="shared", tasks=[task("only")]).job_id)
    wanted = JobAccessControlRequest(group_name="analysts", permission_level=JobPermissionLevel.CAN_VIEW)
    client.update_permissions(job_id, access_control_list=[wanted])
    granted = {of.group_name or of.user_name: of for of in client.get_permissions(job_id).access_control_list}
    equal(granted["analysts"].all_permissions[0].permission_level, JobPermissionLevel.CAN_VIEW)
    equal(len(client.get_permission_levels(job_id).permission_levels), 4)
