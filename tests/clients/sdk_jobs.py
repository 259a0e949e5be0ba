"""databricks-sdk: jobs and their runs.

The simulated runs succeed at once; their tasks are notebooks, for a server has no door to register the SQL of a saved
query, and a task of such a query is the one that fails.
"""

from databricks.sdk.errors import DatabricksError, InvalidParameterValue, OperationFailed
from databricks.sdk.service.jobs import (
    NotebookTask,
    RunLifeCycleState,
    RunResultState,
    SqlTask,
    SqlTaskQuery,
    SubmitTask,
    Task,
    TaskDependency,
)

from harness import case, contains, equal, raises

NOTEBOOK = NotebookTask(notebook_path="/Workspace/Shared/of-a-case", base_parameters={"day": "2024-02-29"})


def task(key, *after):
    """A notebook task that runs after others."""
    depends_on = [TaskDependency(task_key=other) for other in after] or None
    return Task(task_key=key, notebook_task=NOTEBOOK, depends_on=depends_on)


def failing_task(ws, key):
    """A task of a query that nobody has saved."""
    query = SqlTaskQuery(query_id="nowhere")
    return Task(task_key=key, sql_task=SqlTask(warehouse_id=ws.warehouse, query=query))


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
