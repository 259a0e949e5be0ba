//! What tasks can be: a notebook, a JAR, a query, ...

use crate::JobId;
use crate::settings::Task;
use crate::wire::{records, words};

records! {
    /// A notebook to run.
    NotebookTask(
        /// Its path: absolute in the workspace, relative to the root in a repository.
        notebook_path: String,
    ) {
        /// Parameters of the notebook, read there with `dbutils.widgets.get`.
        map base_parameters: String,
        /// Where the path is looked up; the workspace unless the job has a git source.
        opt source: Source,
        /// A SQL warehouse to run on, for notebooks of SQL cells alone.
        opt warehouse_id: String,
    }

    /// The main class of a JAR to run on Spark. The JAR itself is one of the task's libraries.
    SparkJarTask() {
        /// The class with the `main` method.
        opt main_class_name: String,
        /// Arguments of `main`.
        list parameters: String,
        /// The JAR; deprecated in favour of the task's libraries.
        opt jar_uri: String,
        /// Whether the code runs in a Scala REPL; deprecated.
        val run_as_repl: bool,
    }

    /// A Python file to run on Spark.
    SparkPythonTask(
        /// The file: a path in the workspace or a volume, a URI, or a path in a repository.
        python_file: String,
    ) {
        /// Its command line.
        list parameters: String,
        /// Where the path is looked up; the workspace unless it says otherwise.
        opt source: Source,
    }

    /// A call of `spark-submit`. It needs a new cluster of its own.
    SparkSubmitTask() {
        /// Its command line.
        list parameters: String,
    }

    /// An entry point of a Python wheel. The wheel itself is one of the task's libraries, or of its environment's dependencies.
    PythonWheelTask(
        /// The package.
        package_name: String,
        /// The entry point; one that the metadata lacks is called as a function of the package.
        entry_point: String,
    ) {
        /// Parameters as `--name=value`; not together with `parameters`.
        map named_parameters: String,
        /// The command line; not together with `named_parameters`.
        list parameters: String,
    }

    /// SQL on a warehouse: one of a saved query, a file, an alert, a dashboard.
    SqlTask(
        /// The warehouse.
        warehouse_id: String,
    ) {
        /// A saved query.
        opt query: SqlTaskQuery,
        /// A file of statements.
        opt file: SqlTaskFile,
        /// A legacy alert to evaluate.
        opt alert: SqlTaskAlert,
        /// A legacy dashboard to refresh.
        opt dashboard: SqlTaskDashboard,
        /// Parameters; the query names them as `:name` or `{{name}}`.
        map parameters: String,
    }

    /// A saved query.
    SqlTaskQuery(
        /// Its id.
        query_id: String,
    ) {}

    /// A file of SQL statements.
    SqlTaskFile(
        /// Its path: absolute in the workspace, relative to the root in a repository.
        path: String,
    ) {
        /// Where the path is looked up; the workspace unless the job has a git source.
        opt source: Source,
    }

    /// A legacy alert.
    SqlTaskAlert(
        /// Its id.
        alert_id: String,
    ) {
        /// Whether subscribers are left alone.
        val pause_subscriptions: bool,
        /// Who is told.
        list subscriptions: SqlTaskSubscription,
    }

    /// A legacy dashboard.
    SqlTaskDashboard(
        /// Its id.
        dashboard_id: String,
    ) {
        /// The subject of the mail.
        opt custom_subject: String,
        /// Whether subscribers are left alone.
        val pause_subscriptions: bool,
        /// Who is told.
        list subscriptions: SqlTaskSubscription,
    }

    /// Who is told of a SQL task's result: a user or a destination.
    SqlTaskSubscription() {
        /// A user by e-mail address.
        opt user_name: String,
        /// A notification destination by id.
        opt destination_id: String,
    }

    /// dbt commands on a project.
    DbtTask(
        /// The commands, in order, such as `dbt deps` and `dbt run`.
        commands: Vec<String>,
    ) {
        /// The folder of the project: in the repository, or absolute in the workspace.
        opt project_directory: String,
        /// The folder of `profiles.yml`, relative to the project.
        opt profiles_directory: String,
        /// The warehouse that the SQL runs on; the task's compute unless set.
        opt warehouse_id: String,
        /// The catalog, with a warehouse.
        opt catalog: String,
        /// The schema, with a warehouse.
        opt schema: String,
        /// Where the project is looked up; the workspace unless the job has a git source.
        opt source: Source,
    }

    /// An update of a pipeline.
    PipelineTask(
        /// The pipeline.
        pipeline_id: String,
    ) {
        /// Whether everything is computed anew.
        val full_refresh: bool,
        /// Tables to update; all unless set.
        list refresh_selection: String,
        /// Tables to compute anew.
        list full_refresh_selection: String,
        /// Flows to update.
        list refresh_flow_selection: String,
        /// Flows whose checkpoints are reset.
        list reset_checkpoint_selection: String,
        /// Parameters of the pipeline.
        map parameters: String,
    }

    /// A run of another job, which the task waits for.
    RunJobTask(
        /// The job.
        job_id: JobId,
    ) {
        /// Parameters of that job.
        map job_parameters: String,
        /// Commands of dbt tasks; deprecated in favour of job parameters, as the fields below.
        list dbt_commands: String,
        /// Parameters of JAR tasks.
        list jar_params: String,
        /// Parameters of notebook tasks.
        map notebook_params: String,
        /// Parameters of pipeline tasks.
        opt pipeline_params: PipelineParams,
        /// Named parameters of wheel tasks.
        map python_named_params: String,
        /// Parameters of Python tasks.
        list python_params: String,
        /// Parameters of spark-submit tasks.
        list spark_submit_params: String,
        /// Parameters of SQL tasks.
        map sql_params: String,
    }

    /// What a pipeline does in one run.
    PipelineParams() {
        /// Whether everything is computed anew.
        val full_refresh: bool,
        /// Tables to compute anew.
        list full_refresh_selection: String,
        /// Tables to update.
        list refresh_selection: String,
        /// Flows to update.
        list refresh_flow_selection: String,
        /// Flows whose checkpoints are reset.
        list reset_checkpoint_selection: String,
    }

    /// A comparison. Tasks depend on its outcome with [`TaskDependency::outcome`](crate::TaskDependency).
    ConditionTask(
        /// How the sides are compared.
        op: ConditionOp,
        /// The left side: text, a job parameter or a task value, such as `{{job.parameters.day}}`.
        left: String,
        /// The right side.
        right: String,
    ) {}

    /// The same task once for each element of a list.
    ForEachTask(
        /// The elements: a JSON array as text, or a reference to one, such as `{{tasks.list.values.days}}`.
        inputs: String,
        /// The task; it reads its element as `{{input}}`, or its fields as `{{input.name}}`.
        task: Box<Task>,
    ) {
        /// How many run at once, 1 unless set.
        val concurrency: u32,
    }
}

words! {
    /// Where a path is looked up.
    Source {
        /// In the workspace.
        Workspace = "WORKSPACE",
        /// In the job's git source.
        Git = "GIT",
    }

    /// How a condition task compares. The two first compare texts, the others numbers.
    ConditionOp {
        /// Equal texts: `12.0` is not `12`.
        EqualTo = "EQUAL_TO",
        /// Other texts.
        NotEqual = "NOT_EQUAL",
        /// The left number is larger.
        GreaterThan = "GREATER_THAN",
        /// The left number is not smaller.
        GreaterThanOrEqual = "GREATER_THAN_OR_EQUAL",
        /// The left number is smaller.
        LessThan = "LESS_THAN",
        /// The left number is not larger.
        LessThanOrEqual = "LESS_THAN_OR_EQUAL",
    }
}

impl SqlTask {
    /// A saved query on a warehouse.
    pub fn of_query(warehouse_id: impl Into<String>, query_id: impl Into<String>) -> Self {
        Self::new(warehouse_id).query(SqlTaskQuery::new(query_id))
    }

    /// A file of statements on a warehouse.
    pub fn of_file(warehouse_id: impl Into<String>, path: impl Into<String>) -> Self {
        Self::new(warehouse_id).file(SqlTaskFile::new(path))
    }

    /// A legacy alert, evaluated on a warehouse.
    pub fn of_alert(warehouse_id: impl Into<String>, alert_id: impl Into<String>) -> Self {
        Self::new(warehouse_id).alert(SqlTaskAlert::new(alert_id))
    }
}

impl SqlTaskSubscription {
    /// A user by e-mail address.
    pub fn user(user_name: impl Into<String>) -> Self {
        Self::new().user_name(user_name)
    }

    /// A notification destination by id.
    pub fn destination(destination_id: impl Into<String>) -> Self {
        Self::new().destination_id(destination_id)
    }
}
