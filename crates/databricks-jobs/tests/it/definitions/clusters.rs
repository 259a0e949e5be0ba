//! Jobs that differ in what they run on.

use databricks_jobs::{
    AutoScale, AwsAttributes, AwsAvailability, AzureAttributes, AzureAvailability, Cloud, ClusterLogConf,
    ClusterSpec, DataSecurityMode, Environment, GcpAttributes, GcpAvailability, InitScript, JobCluster,
    JobEnvironment, JobSettings, PerformanceTarget, PythonWheelTask, RuntimeEngine, StoragePath, Task,
};
use std::time::Duration;

use super::{LTS, Made, cluster, one};

fn run() -> Task {
    Task::notebook("run", "/Shared/run")
}

pub(super) fn definitions() -> Vec<Made> {
    vec![
        ("notebook_on_an_existing_cluster", {
            one("existing cluster", run().existing_cluster_id("0923-164208-meows279"))
        }),
        ("notebook_on_a_new_cluster", {
            one("new cluster", run().new_cluster(cluster(2))).timeout(Duration::from_secs(3600))
        }),
        ("shared_job_cluster", {
            let step = |key: &str| Task::notebook(key, format!("/etl/{key}")).job_cluster_key("shared");
            JobSettings::named("shared").job_clusters([JobCluster::new("shared", cluster(4))]).tasks([
                step("extract"),
                step("transform").depends_on(["extract"]),
                step("load").depends_on(["transform"]),
            ])
        }),
        ("autoscaling_cluster_with_settings", {
            let spec = ClusterSpec::new()
                .spark_version(LTS)
                .node_type_id("Standard_DS4_v2")
                .autoscale(AutoScale::new(2_u32, 16_u32))
                .spark_conf([("spark.speculation", "true")])
                .with_spark_conf("spark.sql.adaptive.enabled", "true")
                .spark_env_vars([("PYSPARK_PYTHON", "/databricks/python3/bin/python3")])
                .custom_tags([("team", "data"), ("cost-center", "42")])
                .runtime_engine(RuntimeEngine::Photon)
                .data_security_mode(DataSecurityMode::SingleUser)
                .single_user_name("someone@example.com");
            one("autoscaling", Task::notebook("big", "/Shared/big").new_cluster(spec))
        }),
        ("cluster_on_azure_spot", {
            let spot = AzureAttributes::new()
                .availability(AzureAvailability::SpotWithFallback)
                .first_on_demand(1)
                .spot_bid_max_price(-1.0);
            let spec = cluster(8).azure_attributes(spot);
            one("azure spot", Task::notebook("cheap", "/Shared/cheap").new_cluster(spec))
        }),
        ("cluster_on_aws", {
            let attributes = AwsAttributes::new()
                .availability(AwsAvailability::Spot)
                .first_on_demand(1)
                .zone_id("auto")
                .instance_profile_arn("arn:aws:iam::123456789012:instance-profile/jobs")
                .spot_bid_price_percent(100)
                .ebs_volume_count(1)
                .ebs_volume_size(100);
            let logs = ClusterLogConf::new().s3(StoragePath::new("s3://logs/jobs").region("us-west-2"));
            let spec = cluster(2).node_type_id("i3.xlarge").aws_attributes(attributes).cluster_log_conf(logs);
            one("aws", run().new_cluster(spec))
        }),
        ("cluster_on_gcp", {
            let attributes = GcpAttributes::new()
                .availability(GcpAvailability::PreemptibleWithFallback)
                .google_service_account("jobs@project.iam.gserviceaccount.com")
                .zone_id("auto")
                .local_ssd_count(1);
            one("gcp", run().new_cluster(cluster(2).on(Cloud::Gcp).gcp_attributes(attributes)))
        }),
        ("cluster_from_a_pool_and_a_policy", {
            let logs = ClusterLogConf::new().volumes(StoragePath::new("/Volumes/main/ops/logs"));
            let spec = ClusterSpec::new()
                .spark_version(LTS)
                .instance_pool_id("0101-120000-brick1-pool-ABCD1234")
                .driver_instance_pool_id("0101-120000-brick2-pool-ABCD1234")
                .policy_id("E0123456789ABCDE")
                .apply_policy_default_values(true)
                .num_workers(2)
                .init_scripts([
                    InitScript::new().workspace(StoragePath::new("/Shared/init.sh")),
                    InitScript::new().volumes(StoragePath::new("/Volumes/main/ops/scripts/init.sh")),
                ])
                .cluster_log_conf(logs);
            one("pool", run().new_cluster(spec))
        }),
        ("serverless_wheel", {
            let packages = ["/Volumes/main/ops/wheels/etl.whl", "pandas>=2"];
            let wheel = PythonWheelTask::new("etl", "main").parameters(["--fast"]);
            let task = Task::new("wheel", wheel).environment_key("default").disable_auto_optimization(true);
            one("serverless", task)
                .environments([JobEnvironment::with_dependencies("default", "2", packages)])
                .performance_target(PerformanceTarget::Standard)
        }),
        ("serverless_python_with_queue", {
            one("queued", Task::spark_python("py", "/f.py").environment_key("e"))
                .environments([JobEnvironment::new("e").spec(Environment::new().client("1"))])
                .queued(true)
                .max_concurrent_runs(4)
                .budget_policy_id("550e8400-e29b-41d4-a716-446655440000")
        }),
    ]
}
