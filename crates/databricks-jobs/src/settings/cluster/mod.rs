//! Clusters: how many machines of which kind, with what on them.

mod presets;

use std::time::Duration;

use crate::wire::{records, words};

pub use presets::Cloud;

records! {
    /// A cluster to create for a run. [`small`](Self::small), [`medium_autoscale`](Self::medium_autoscale),
    /// [`large_etl`](Self::large_etl) and [`gpu_ml`](Self::gpu_ml) are ready to use.
    ClusterSpec() {
        /// The Databricks Runtime, such as `16.4.x-scala2.12`.
        opt spark_version: String,
        /// The machine type of the workers, and of the driver unless it has its own.
        opt node_type_id: String,
        /// The machine type of the driver.
        opt driver_node_type_id: String,
        /// How many workers; 0 is a single machine. Not together with `autoscale`.
        val num_workers: u32,
        /// Between how many workers it grows and shrinks.
        opt autoscale: AutoScale,
        /// Settings of Spark.
        map spark_conf: String,
        /// Environment variables of its processes.
        map spark_env_vars: String,
        /// Labels on the cloud's resources.
        map custom_tags: String,
        /// Its name.
        opt cluster_name: String,
        /// Minutes without work before it ends; see [`autotermination`](Self::autotermination). Clusters of jobs end by
        /// themselves.
        bare autotermination_minutes: i64,
        /// Scripts that run when a machine starts.
        list init_scripts: InitScript,
        /// Where its logs go. Tasks' own logs are cut at 5 MB; what is delivered here is whole.
        opt cluster_log_conf: ClusterLogConf,
        /// The pool its workers come from.
        opt instance_pool_id: String,
        /// The pool its driver comes from.
        opt driver_instance_pool_id: String,
        /// The policy it keeps to.
        opt policy_id: String,
        /// Whether what is unset comes from the policy.
        val apply_policy_default_values: bool,
        /// Who may share it, and how they are kept apart.
        val data_security_mode: DataSecurityMode,
        /// The one user of a cluster in mode `SINGLE_USER`.
        opt single_user_name: String,
        /// Photon or Spark's own engine.
        val runtime_engine: RuntimeEngine,
        /// Whether disks grow.
        val enable_elastic_disk: bool,
        /// Whether local disks are encrypted.
        val enable_local_disk_encryption: bool,
        /// Whether it is one machine.
        val is_single_node: bool,
        /// Whether the runtime is the one for machine learning.
        val use_ml_runtime: bool,
        /// What there is to say on Azure.
        opt azure_attributes: AzureAttributes,
        /// What there is to say on AWS.
        opt aws_attributes: AwsAttributes,
        /// What there is to say on Google Cloud.
        opt gcp_attributes: GcpAttributes,
        /// Public keys that may log in.
        list ssh_public_keys: String,
    }

    /// Between how many workers a cluster grows and shrinks.
    AutoScale(
        /// The fewest.
        min_workers: u32,
        /// The most.
        max_workers: u32,
    ) {}

    /// A script that runs when a machine starts: one of its fields.
    InitScript() {
        /// In the workspace.
        opt workspace: StoragePath,
        /// In a volume.
        opt volumes: StoragePath,
        /// On S3; it needs a region or an endpoint.
        opt s3: StoragePath,
        /// On Azure's storage.
        opt abfss: StoragePath,
        /// On Google's storage.
        opt gcs: StoragePath,
        /// On DBFS; deprecated.
        opt dbfs: StoragePath,
        /// In the image of a cluster that runs in one.
        opt file: StoragePath,
    }

    /// Where logs go: one of its fields.
    ClusterLogConf() {
        /// To a volume.
        opt volumes: StoragePath,
        /// To S3.
        opt s3: StoragePath,
        /// To DBFS.
        opt dbfs: StoragePath,
    }

    /// A script in storage, or the folder that logs go to.
    StoragePath(
        /// Its path or URI. Logs stand below it in a folder named as the cluster's id.
        destination: String,
    ) {
        /// The region of a bucket.
        opt region: String,
        /// The endpoint of a bucket, instead of its region.
        opt endpoint: String,
    }

    /// What there is to say of machines on Azure.
    AzureAttributes() {
        /// Whether they may be taken away.
        val availability: AzureAvailability,
        /// How many of them, the driver first, may not.
        val first_on_demand: u32,
        /// The highest price, -1 for that of machines that stay.
        bare spot_bid_max_price: serde_json::Number,
    }

    /// What there is to say of machines on AWS.
    AwsAttributes() {
        /// Whether they may be taken away.
        val availability: AwsAvailability,
        /// How many of them, the driver first, may not.
        val first_on_demand: u32,
        /// The zone, `auto` for any.
        opt zone_id: String,
        /// Whose rights they have.
        opt instance_profile_arn: String,
        /// The highest price, in percent of that of machines that stay.
        val spot_bid_price_percent: i64,
        /// The kind of volumes.
        opt ebs_volume_type: String,
        /// Volumes of each machine.
        val ebs_volume_count: i64,
        /// The size of a volume in GiB.
        val ebs_volume_size: i64,
    }

    /// What there is to say of machines on Google Cloud.
    GcpAttributes() {
        /// Whether they may be taken away.
        val availability: GcpAvailability,
        /// Whose rights they have.
        opt google_service_account: String,
        /// The zone, `auto` for any.
        opt zone_id: String,
        /// The size of the boot disk in GB.
        val boot_disk_size: i64,
        /// Local disks of each machine.
        val local_ssd_count: i64,
    }
}

words! {
    /// Who may share a cluster, and how they are kept apart.
    DataSecurityMode {
        /// One user or group.
        Dedicated = "DATA_SECURITY_MODE_DEDICATED",
        /// Many users.
        Standard = "DATA_SECURITY_MODE_STANDARD",
        /// As the rest of the cluster asks for.
        Auto = "DATA_SECURITY_MODE_AUTO",
        /// One user; the former name of dedicated.
        SingleUser = "SINGLE_USER",
        /// Many users; the former name of standard.
        UserIsolation = "USER_ISOLATION",
        /// Nobody is kept apart, and Unity Catalog is out of reach.
        None = "NONE",
    }

    /// The engine of a cluster.
    RuntimeEngine {
        /// Photon.
        Photon = "PHOTON",
        /// Spark's own.
        Standard = "STANDARD",
    }

    /// Whether Azure may take machines away.
    AzureAvailability {
        /// It may not.
        OnDemand = "ON_DEMAND_AZURE",
        /// It may.
        Spot = "SPOT_AZURE",
        /// It may, and gives one that stays instead.
        SpotWithFallback = "SPOT_WITH_FALLBACK_AZURE",
    }

    /// Whether AWS may take machines away.
    AwsAvailability {
        /// It may not.
        OnDemand = "ON_DEMAND",
        /// It may.
        Spot = "SPOT",
        /// It may, and gives one that stays instead.
        SpotWithFallback = "SPOT_WITH_FALLBACK",
    }

    /// Whether Google may take machines away.
    GcpAvailability {
        /// It may not.
        OnDemand = "ON_DEMAND_GCP",
        /// It may.
        Preemptible = "PREEMPTIBLE_GCP",
        /// It may, and gives one that stays instead.
        PreemptibleWithFallback = "PREEMPTIBLE_WITH_FALLBACK_GCP",
    }
}

impl AzureAttributes {
    /// The highest price, -1 for that of machines that stay. No number (NaN, infinite) leaves it unset.
    pub fn spot_bid_max_price(mut self, price: f64) -> Self {
        self.spot_bid_max_price = serde_json::Number::from_f64(price);
        self
    }
}

impl ClusterSpec {
    /// Ends the cluster after this time without work, in whole minutes (rounded up).
    pub fn autotermination(mut self, idle: Duration) -> Self {
        let seconds = super::whole_seconds(idle);
        self.autotermination_minutes = Some(seconds / 60 + i64::from(seconds % 60 > 0));
        self
    }

    /// Sets one setting of Spark, beside those that are there.
    pub fn with_spark_conf(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.spark_conf.get_or_insert_default().insert(name.into(), value.into());
        self
    }
}
