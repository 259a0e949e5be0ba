//! Tasks on GPUs of the service.

use crate::wire::records;

records! {
    /// A command on GPUs of the service, tracked by MLflow. Environment, timeout and retries are those of the task.
    AiRuntimeTask(
        /// The MLflow experiment.
        experiment: String,
        /// What runs, on how many GPUs.
        deployments: Vec<AiRuntimeDeployment>,
    ) {
        /// An archive of the code, by path.
        opt code_source_path: String,
        /// The name of the MLflow run.
        opt mlflow_run: String,
        /// The folder of the experiment; the user's home unless set.
        opt mlflow_experiment_directory: String,
        /// Where the experiment's artifacts go.
        opt mlflow_artifact_location: String,
        /// An image to run in.
        opt docker_image_url: String,
    }

    /// A command and what it runs on.
    AiRuntimeDeployment(
        /// The GPUs.
        compute: AiRuntimeCompute,
    ) {
        /// The script that is run, by path.
        opt command_path: String,
        /// Its name among others.
        opt name: String,
    }

    /// GPUs of one type.
    AiRuntimeCompute(
        /// The type: `GPU_1xA10`, `GPU_8xH100`.
        accelerator_type: String,
        /// How many.
        accelerator_count: u32,
    ) {}
}
