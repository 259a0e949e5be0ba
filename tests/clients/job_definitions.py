"""Jobs in the official client's dataclasses, after Databricks' public examples, as the JSON that it sends.

    python job_definitions.py > ../../crates/databricks-jobs/tests/it/definitions/sdk.json

The Rust test `builders_send_what_the_official_client_sends` builds the same jobs with databricks-jobs and compares.
"""

import json

from databricks.sdk.service import compute as c
from databricks.sdk.service import jobs as j

DEFINITIONS = {}
LTS = "16.4.x-scala2.12"


def definition(make):
    DEFINITIONS[make.__name__] = make
    return make


def notebook(key, path, *after, **more):
    depends_on = [j.TaskDependency(task_key=other) for other in after] or None
    return j.Task(task_key=key, notebook_task=j.NotebookTask(notebook_path=path), depends_on=depends_on, **more)


def cluster(workers=2, node="Standard_DS3_v2"):
    return c.ClusterSpec(spark_version=LTS, node_type_id=node, num_workers=workers)


@definition
def one_notebook():
    return j.JobSettings(name="one notebook", tasks=[notebook("only", "/Users/someone@example.com/report")])


@definition
def notebook_with_parameters():
    task = j.NotebookTask(
        notebook_path="notebooks/report", base_parameters={"day": "2024-01-31", "city": "Zürich"}, source=j.Source.WORKSPACE
    )
    return j.JobSettings(name="with parameters", tasks=[j.Task(task_key="report", notebook_task=task, description="daily")])


@definition
def notebook_on_a_warehouse():
    task = j.NotebookTask(notebook_path="/Shared/sql", warehouse_id="4f9a2b7c01d3e685")
    return j.JobSettings(name="on a warehouse", tasks=[j.Task(task_key="sql", notebook_task=task)])


@definition
def notebook_on_an_existing_cluster():
    return j.JobSettings(
        name="existing cluster", tasks=[notebook("run", "/Shared/run", existing_cluster_id="0923-164208-meows279")]
    )


@definition
def notebook_on_a_new_cluster():
    return j.JobSettings(
        name="new cluster", timeout_seconds=3600, tasks=[notebook("run", "/Shared/run", new_cluster=cluster())]
    )


@definition
def shared_job_cluster():
    return j.JobSettings(
        name="shared",
        job_clusters=[j.JobCluster(job_cluster_key="shared", new_cluster=cluster(4))],
        tasks=[
            notebook("extract", "/etl/extract", job_cluster_key="shared"),
            notebook("transform", "/etl/transform", "extract", job_cluster_key="shared"),
            notebook("load", "/etl/load", "transform", job_cluster_key="shared"),
        ],
    )


@definition
def diamond():
    return j.JobSettings(
        name="diamond",
        tasks=[
            notebook("start", "/d/start"),
            notebook("left", "/d/left", "start"),
            notebook("right", "/d/right", "start"),
            notebook("end", "/d/end", "left", "right"),
        ],
    )


@definition
def autoscaling_cluster_with_settings():
    spec = c.ClusterSpec(
        spark_version=LTS,
        node_type_id="Standard_DS4_v2",
        autoscale=c.AutoScale(min_workers=2, max_workers=16),
        spark_conf={"spark.speculation": "true", "spark.sql.adaptive.enabled": "true"},
        spark_env_vars={"PYSPARK_PYTHON": "/databricks/python3/bin/python3"},
        custom_tags={"team": "data", "cost-center": "42"},
        runtime_engine=c.RuntimeEngine.PHOTON,
        data_security_mode=c.DataSecurityMode.SINGLE_USER,
        single_user_name="someone@example.com",
    )
    return j.JobSettings(name="autoscaling", tasks=[notebook("big", "/Shared/big", new_cluster=spec)])


@definition
def cluster_on_azure_spot():
    spec = cluster(8)
    spec.azure_attributes = c.AzureAttributes(
        availability=c.AzureAvailability.SPOT_WITH_FALLBACK_AZURE, first_on_demand=1, spot_bid_max_price=-1.0
    )
    return j.JobSettings(name="azure spot", tasks=[notebook("cheap", "/Shared/cheap", new_cluster=spec)])


@definition
def cluster_on_aws():
    spec = cluster(2, "i3.xlarge")
    spec.aws_attributes = c.AwsAttributes(
        availability=c.AwsAvailability.SPOT,
        first_on_demand=1,
        zone_id="auto",
        instance_profile_arn="arn:aws:iam::123456789012:instance-profile/jobs",
        spot_bid_price_percent=100,
        ebs_volume_count=1,
        ebs_volume_size=100,
    )
    spec.cluster_log_conf = c.ClusterLogConf(s3=c.S3StorageInfo(destination="s3://logs/jobs", region="us-west-2"))
    return j.JobSettings(name="aws", tasks=[notebook("run", "/Shared/run", new_cluster=spec)])


@definition
def cluster_on_gcp():
    spec = cluster(2, "n2-standard-4")
    spec.gcp_attributes = c.GcpAttributes(
        availability=c.GcpAvailability.PREEMPTIBLE_WITH_FALLBACK_GCP,
        google_service_account="jobs@project.iam.gserviceaccount.com",
        zone_id="auto",
        local_ssd_count=1,
    )
    return j.JobSettings(name="gcp", tasks=[notebook("run", "/Shared/run", new_cluster=spec)])


@definition
def cluster_from_a_pool_and_a_policy():
    spec = c.ClusterSpec(
        spark_version=LTS,
        instance_pool_id="0101-120000-brick1-pool-ABCD1234",
        driver_instance_pool_id="0101-120000-brick2-pool-ABCD1234",
        policy_id="E0123456789ABCDE",
        apply_policy_default_values=True,
        num_workers=2,
        init_scripts=[
            c.InitScriptInfo(workspace=c.WorkspaceStorageInfo(destination="/Shared/init.sh")),
            c.InitScriptInfo(volumes=c.VolumesStorageInfo(destination="/Volumes/main/ops/scripts/init.sh")),
        ],
        cluster_log_conf=c.ClusterLogConf(volumes=c.VolumesStorageInfo(destination="/Volumes/main/ops/logs")),
    )
    return j.JobSettings(name="pool", tasks=[notebook("run", "/Shared/run", new_cluster=spec)])


@definition
def spark_jar():
    task = j.SparkJarTask(main_class_name="com.example.Main", parameters=["--day", "2024-01-31"])
    libraries = [
        c.Library(jar="/Volumes/main/ops/jars/main.jar"),
        c.Library(maven=c.MavenLibrary(coordinates="org.jsoup:jsoup:1.7.2", exclusions=["slf4j:slf4j"])),
    ]
    return j.JobSettings(
        name="jar", tasks=[j.Task(task_key="jar", spark_jar_task=task, libraries=libraries, new_cluster=cluster())]
    )


@definition
def spark_python():
    task = j.SparkPythonTask(python_file="/Workspace/Shared/main.py", parameters=["a", "b c"], source=j.Source.WORKSPACE)
    return j.JobSettings(name="python", tasks=[j.Task(task_key="py", spark_python_task=task, new_cluster=cluster())])


@definition
def spark_submit():
    task = j.SparkSubmitTask(parameters=["--class", "org.apache.spark.examples.SparkPi", "/path/examples.jar", "10"])
    return j.JobSettings(name="submit", tasks=[j.Task(task_key="pi", spark_submit_task=task, new_cluster=cluster(1))])


@definition
def python_wheel():
    task = j.PythonWheelTask(package_name="etl", entry_point="main", named_parameters={"day": "2024-01-31"})
    libraries = [c.Library(whl="/Volumes/main/ops/wheels/etl-1.0-py3-none-any.whl"), c.Library(pypi=c.PythonPyPiLibrary("faker"))]
    return j.JobSettings(
        name="wheel",
        tasks=[j.Task(task_key="wheel", python_wheel_task=task, libraries=libraries, job_cluster_key="c")],
        job_clusters=[j.JobCluster(job_cluster_key="c", new_cluster=cluster(0))],
    )


@definition
def serverless_wheel():
    task = j.PythonWheelTask(package_name="etl", entry_point="main", parameters=["--fast"])
    environment = c.Environment(environment_version="2", dependencies=["/Volumes/main/ops/wheels/etl.whl", "pandas>=2"])
    return j.JobSettings(
        name="serverless",
        environments=[j.JobEnvironment(environment_key="default", spec=environment)],
        tasks=[j.Task(task_key="wheel", python_wheel_task=task, environment_key="default", disable_auto_optimization=True)],
        performance_target=j.PerformanceTarget.STANDARD,
    )


@definition
def serverless_python_with_queue():
    return j.JobSettings(
        name="queued",
        environments=[j.JobEnvironment(environment_key="e", spec=c.Environment(client="1"))],
        tasks=[j.Task(task_key="py", spark_python_task=j.SparkPythonTask(python_file="/f.py"), environment_key="e")],
        queue=j.QueueSettings(enabled=True),
        max_concurrent_runs=4,
        budget_policy_id="550e8400-e29b-41d4-a716-446655440000",
    )


@definition
def sql_query():
    task = j.SqlTask(warehouse_id="w1", query=j.SqlTaskQuery(query_id="q1"), parameters={"day": "2024-01-31"})
    return j.JobSettings(name="query", tasks=[j.Task(task_key="query", sql_task=task)])


@definition
def sql_file_from_git():
    task = j.SqlTask(warehouse_id="w1", file=j.SqlTaskFile(path="sql/totals.sql", source=j.Source.GIT))
    source = j.GitSource(git_url="https://example.com/team/etl", git_provider=j.GitProvider.GIT_HUB, git_branch="main")
    return j.JobSettings(name="file", git_source=source, tasks=[j.Task(task_key="file", sql_task=task)])


@definition
def sql_alert():
    subscriptions = [j.SqlTaskSubscription(user_name="a@example.com"), j.SqlTaskSubscription(destination_id="d1")]
    alert = j.SqlTaskAlert(alert_id="a1", subscriptions=subscriptions, pause_subscriptions=False)
    return j.JobSettings(name="alert", tasks=[j.Task(task_key="alert", sql_task=j.SqlTask(warehouse_id="w1", alert=alert))])


@definition
def sql_dashboard():
    dashboard = j.SqlTaskDashboard(
        dashboard_id="d1", custom_subject="Numbers", subscriptions=[j.SqlTaskSubscription(user_name="a@example.com")]
    )
    task = j.SqlTask(warehouse_id="w1", dashboard=dashboard)
    return j.JobSettings(name="dashboard", tasks=[j.Task(task_key="dashboard", sql_task=task)])


@definition
def dbt_project():
    task = j.DbtTask(
        commands=["dbt deps", "dbt seed", "dbt run"],
        project_directory="/Workspace/Shared/dbt",
        profiles_directory="profiles",
        warehouse_id="w1",
        catalog="main",
        schema="analytics",
        source=j.Source.WORKSPACE,
    )
    libraries = [c.Library(pypi=c.PythonPyPiLibrary(package="dbt-databricks>=1.8"))]
    return j.JobSettings(
        name="dbt", tasks=[j.Task(task_key="dbt", dbt_task=task, libraries=libraries, new_cluster=cluster(0))]
    )


@definition
def pipeline_refresh():
    task = j.PipelineTask(pipeline_id="p1", full_refresh=False, refresh_selection=["bronze", "silver"])
    return j.JobSettings(
        name="pipeline",
        tasks=[j.Task(task_key="refresh", pipeline_task=task), notebook("check", "/Shared/check", "refresh")],
    )


@definition
def run_another_job():
    task = j.RunJobTask(job_id=123456789012345, job_parameters={"day": "{{job.parameters.day}}"})
    return j.JobSettings(
        name="orchestrator",
        parameters=[j.JobParameterDefinition(name="day", default="{{job.start_time.iso_date}}")],
        tasks=[j.Task(task_key="child", run_job_task=task)],
    )


@definition
def run_another_job_with_old_parameters():
    task = j.RunJobTask(
        job_id=7,
        dbt_commands=["dbt run"],
        jar_params=["a"],
        notebook_params={"n": "1"},
        python_named_params={"p": "2"},
        python_params=["b"],
        spark_submit_params=["c"],
        sql_params={"s": "3"},
        pipeline_params=j.PipelineParams(full_refresh=True),
    )
    return j.JobSettings(name="old parameters", tasks=[j.Task(task_key="child", run_job_task=task)])


@definition
def condition_with_branches():
    gate = j.ConditionTask(op=j.ConditionTaskOp.GREATER_THAN, left="{{tasks.count.values.rows}}", right="0")
    yes = notebook("report", "/Shared/report")
    yes.depends_on = [j.TaskDependency(task_key="any", outcome="true")]
    no = notebook("warn", "/Shared/warn")
    no.depends_on = [j.TaskDependency(task_key="any", outcome="false")]
    return j.JobSettings(
        name="branches",
        tasks=[
            notebook("count", "/Shared/count"),
            j.Task(task_key="any", condition_task=gate, depends_on=[j.TaskDependency(task_key="count")]),
            yes,
            no,
        ],
    )


@definition
def for_each_element():
    inner = j.NotebookTask(notebook_path="/Shared/country", base_parameters={"country": "{{input}}"})
    loop = j.ForEachTask(
        inputs='["DE", "FR", "IT"]', concurrency=2, task=j.Task(task_key="country", notebook_task=inner, max_retries=1)
    )
    return j.JobSettings(name="loop", tasks=[j.Task(task_key="countries", for_each_task=loop)])


@definition
def for_each_value_of_a_task():
    inner = j.RunJobTask(job_id=99, job_parameters={"table": "{{input.table}}"})
    loop = j.ForEachTask(
        inputs="{{tasks.list.values.tables}}", concurrency=20, task=j.Task(task_key="load", run_job_task=inner)
    )
    tasks = [notebook("list", "/Shared/list")]
    tasks.append(j.Task(task_key="loads", for_each_task=loop, depends_on=[j.TaskDependency(task_key="list")]))
    return j.JobSettings(name="loop of jobs", tasks=tasks)


@definition
def run_if_after_failures():
    return j.JobSettings(
        name="cleanup",
        tasks=[
            notebook("a", "/Shared/a"),
            notebook("b", "/Shared/b"),
            notebook("notify", "/Shared/notify", "a", "b", run_if=j.RunIf.AT_LEAST_ONE_FAILED),
            notebook("cleanup", "/Shared/cleanup", "a", "b", run_if=j.RunIf.ALL_DONE),
        ],
    )


@definition
def retries_and_timeouts():
    task = notebook(
        "flaky",
        "/Shared/flaky",
        max_retries=3,
        min_retry_interval_millis=60000,
        retry_on_timeout=True,
        timeout_seconds=900,
    )
    return j.JobSettings(name="retries", timeout_seconds=7200, max_concurrent_runs=1, tasks=[task])


@definition
def nightly_schedule():
    schedule = j.CronSchedule(
        quartz_cron_expression="0 30 4 * * ?", timezone_id="Europe/Berlin", pause_status=j.PauseStatus.UNPAUSED
    )
    return j.JobSettings(name="nightly", schedule=schedule, tasks=[notebook("run", "/Shared/run")])


@definition
def continuous_stream():
    continuous = j.Continuous(pause_status=j.PauseStatus.UNPAUSED, task_retry_mode=j.TaskRetryMode.ON_FAILURE)
    rule = j.JobsHealthRule(
        metric=j.JobsHealthMetric.STREAMING_BACKLOG_SECONDS, op=j.JobsHealthOperator.GREATER_THAN, value=300
    )
    return j.JobSettings(
        name="stream",
        continuous=continuous,
        health=j.JobsHealthRules(rules=[rule]),
        email_notifications=j.JobEmailNotifications(on_streaming_backlog_exceeded=["a@example.com"]),
        tasks=[notebook("stream", "/Shared/stream", new_cluster=cluster(1))],
    )


@definition
def file_arrival():
    trigger = j.TriggerSettings(
        pause_status=j.PauseStatus.PAUSED,
        file_arrival=j.FileArrivalTriggerConfiguration(
            url="/Volumes/main/raw/landing/", min_time_between_triggers_seconds=60, wait_after_last_change_seconds=90
        ),
    )
    return j.JobSettings(name="arrivals", trigger=trigger, tasks=[notebook("load", "/Shared/load")])


@definition
def periodic():
    every = j.PeriodicTriggerConfiguration(interval=4, unit=j.PeriodicTriggerConfigurationTimeUnit.HOURS)
    return j.JobSettings(
        name="periodic", trigger=j.TriggerSettings(periodic=every), tasks=[notebook("load", "/Shared/load")]
    )


@definition
def table_update():
    tables = j.TableUpdateTriggerConfiguration(
        table_names=["main.sales.orders", "main.sales.returns"],
        condition=j.Condition.ALL_UPDATED,
        min_time_between_triggers_seconds=300,
    )
    return j.JobSettings(
        name="updates", trigger=j.TriggerSettings(table_update=tables), tasks=[notebook("load", "/Shared/load")]
    )


@definition
def notifications():
    mail = j.JobEmailNotifications(
        on_start=["a@example.com"],
        on_success=["b@example.com"],
        on_failure=["c@example.com", "d@example.com"],
        on_duration_warning_threshold_exceeded=["e@example.com"],
    )
    hooks = j.WebhookNotifications(
        on_start=[j.Webhook(id="w1")], on_failure=[j.Webhook(id="w2"), j.Webhook(id="w3")]
    )
    rule = j.JobsHealthRule(
        metric=j.JobsHealthMetric.RUN_DURATION_SECONDS, op=j.JobsHealthOperator.GREATER_THAN, value=600
    )
    return j.JobSettings(
        name="told",
        email_notifications=mail,
        webhook_notifications=hooks,
        notification_settings=j.JobNotificationSettings(no_alert_for_canceled_runs=True, no_alert_for_skipped_runs=True),
        health=j.JobsHealthRules(rules=[rule]),
        tasks=[notebook("run", "/Shared/run")],
    )


@definition
def notifications_of_a_task():
    task = notebook(
        "run",
        "/Shared/run",
        email_notifications=j.TaskEmailNotifications(on_failure=["a@example.com"]),
        webhook_notifications=j.WebhookNotifications(on_success=[j.Webhook(id="w1")]),
        notification_settings=j.TaskNotificationSettings(alert_on_last_attempt=True, no_alert_for_skipped_runs=False),
        health=j.JobsHealthRules(
            rules=[j.JobsHealthRule(j.JobsHealthMetric.RUN_DURATION_SECONDS, j.JobsHealthOperator.GREATER_THAN, 60)]
        ),
    )
    return j.JobSettings(name="task told", tasks=[task])


@definition
def git_tag_run_as_and_tags():
    source = j.GitSource(
        git_url="https://example.com/team/etl", git_provider=j.GitProvider.AZURE_DEV_OPS_SERVICES, git_tag="v1.2.3"
    )
    return j.JobSettings(
        name="governed",
        description="Loads the day",
        git_source=source,
        run_as=j.JobRunAs(service_principal_name="692bc6d0-ffa3-11ed-be56-0242ac120002"),
        tags={"team": "data", "tier": "gold"},
        edit_mode=j.JobEditMode.UI_LOCKED,
        tasks=[notebook("load", "notebooks/load")],
    )


@definition
def parameters():
    return j.JobSettings(
        name="parameters",
        parameters=[
            j.JobParameterDefinition(name="table", default="users"),
            j.JobParameterDefinition(name="empty", default=""),
        ],
        run_as=j.JobRunAs(user_name="someone@example.com"),
        tasks=[notebook("load", "/Shared/load", disabled=False)],
    )


@definition
def dashboard_with_subscribers():
    subscription = j.Subscription(
        subscribers=[j.SubscriptionSubscriber(user_name="a@example.com"), j.SubscriptionSubscriber(destination_id="d1")],
        paused=False,
        custom_subject="Numbers",
    )
    task = j.DashboardTask(dashboard_id="b1", warehouse_id="w1", subscription=subscription, filters={"city": "Zürich"})
    return j.JobSettings(name="dashboard", tasks=[j.Task(task_key="board", dashboard_task=task)])


@definition
def alert_by_id_and_by_file():
    by_id = j.AlertTask(alert_id="a1", warehouse_id="w1", subscribers=[j.AlertTaskSubscriber(user_name="a@example.com")])
    by_file = j.AlertTask(
        workspace_path="/Shared/till.dbalert.json",
        warehouse_id="w1",
        subscribers=[j.AlertTaskSubscriber(destination_id="d1")],
        parameters={"most": "7"},
    )
    tasks = [j.Task(task_key="by_id", alert_task=by_id), j.Task(task_key="by_file", alert_task=by_file)]
    return j.JobSettings(name="alerts", tasks=tasks)


@definition
def training_on_gpus():
    compute = j.ComputeSpec(accelerator_type=j.ComputeSpecAcceleratorType.GPU_8X_H100, accelerator_count=16)
    task = j.AiRuntimeTask(
        experiment="forecast",
        deployments=[j.DeploymentSpec(compute=compute, command_path="/Shared/train.sh", name="all")],
        code_source_path="/Shared/code.tgz",
        docker_image_url="example/image:1",
        mlflow_run="first",
        mlflow_experiment_directory="/Shared/experiments",
        mlflow_artifact_location="/Volumes/main/ml/artifacts",
    )
    return j.JobSettings(name="training", tasks=[j.Task(task_key="train", ai_runtime_task=task, max_retries=1)])


@definition
def kept_in_a_repository_and_deployed():
    source = j.GitSource(
        git_url="https://example.com/team/etl",
        git_provider=j.GitProvider.GIT_HUB,
        git_branch="main",
        sparse_checkout=j.SparseCheckout(patterns=["jobs", "sql"]),
        job_source=j.JobSource(
            job_config_path="jobs/load.yml", import_from_git_branch="main", dirty_state=j.JobSourceDirtyState.DISCONNECTED
        ),
    )
    return j.JobSettings(
        name="kept",
        git_source=source,
        deployment=j.JobDeployment(kind=j.JobDeploymentKind.BUNDLE, metadata_file_path="/Shared/state/metadata.json"),
        usage_policy_id="u1",
        tasks=[notebook("load", "jobs/load")],
    )


def sent():
    """Every definition as the client sends it."""
    return {name: make().as_dict() for name, make in DEFINITIONS.items()}


if __name__ == "__main__":
    print(json.dumps(sent(), indent=1, sort_keys=True, ensure_ascii=False))
