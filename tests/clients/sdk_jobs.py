"""databricks-sdk: jobs and their runs."""

from databricks.sdk.errors import DatabricksError
from databricks.sdk.service.jobs import (
    RunLifeCycleState,
    RunResultState,
    SqlTask,
    SqlTaskQuery,
    SubmitTask,
    Task,
    TaskDependency,
)

from harness import case, equal, raises


def sql_task(ws, key, query_id, after=()):
    """A task that runs a saved query."""
    return Task(
        task_key=key,
        sql_task=SqlTask(warehouse_id=ws.warehouse, query=SqlTaskQuery(query_id=query_id)),
        depends_on=[TaskDependency(task_key=other) for other in after] or None,
    )


@case("sdk")
def a_job_is_made_read_and_deleted(ws):
    """jobs.create, get, list by name, delete"""
    client = ws.sdk().jobs
    job = client.create(name="of a case", tasks=[sql_task(ws, "only", "q")], tags={"team": "clients"})
    found = client.get(job.job_id)
    equal((found.settings.name, found.settings.tags), ("of a case", {"team": "clients"}))
    equal([listed.job_id for listed in client.list(name="of a case")], [job.job_id])
    client.delete(job.job_id)
    raises(DatabricksError, lambda: client.get(job.job_id))


@case("sdk")
def a_run_is_waited_for(ws):
    """jobs.run_now(..).result(): terminated, its task in the run, its output"""
    client = ws.sdk().jobs
    job = client.create(name="runs", tasks=[sql_task(ws, "first", "q"), sql_task(ws, "second", "q", ["first"])])
    run = client.run_now(job.job_id).result()
    equal((run.state.life_cycle_state, run.state.result_state), (RunLifeCycleState.TERMINATED, RunResultState.SUCCESS))
    equal(sorted(task.task_key for task in run.tasks), ["first", "second"])
    output = client.get_run_output(run.tasks[0].run_id)
    equal(output.metadata.run_id, run.tasks[0].run_id)
    equal([listed.run_id for listed in client.list_runs(job_id=job.job_id)], [run.run_id])


@case("sdk")
def a_submitted_run(ws):
    """jobs.submit(..).result(): a run without a job"""
    task = sql_task(ws, "only", "q")
    run = ws.sdk().jobs.submit(run_name="once", tasks=[SubmitTask(task_key="only", sql_task=task.sql_task)]).result()
    equal((run.run_name, run.state.result_state), ("once", RunResultState.SUCCESS))


@case("sdk")
def a_run_is_cancelled(ws):
    """jobs.cancel_run_and_wait: CANCELED"""
    client = ws.sdk().jobs
    job = client.create(name="cancelled", tasks=[sql_task(ws, "only", "q")])
    waiting = client.run_now(job.job_id)
    run = client.cancel_run_and_wait(waiting.run_id)
    equal(run.state.result_state in (RunResultState.CANCELED, RunResultState.SUCCESS), True)
