//! Clusters ready to use, by size and cloud.

use super::{AutoScale, ClusterSpec};

/// The runtime of the presets: the long-term support release of May 2025, with Scala 2.12 as the ones before it, supported
/// until May 2028.
const RUNTIME: &str = "16.4.x-scala2.12";
const GPU_RUNTIME: &str = "16.4.x-gpu-ml-scala2.12";

/// Where a workspace runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cloud {
    /// Microsoft Azure.
    Azure,
    /// Amazon Web Services.
    Aws,
    /// Google Cloud.
    Gcp,
}

/// Machine types with the same number of cores and about the same memory: Azure, AWS, Google Cloud.
const MACHINES: [[&str; 3]; 5] = [
    // 4 cores, 14 to 16 GB.
    ["Standard_DS3_v2", "m5d.xlarge", "n2-standard-4"],
    // 8 cores, 28 to 32 GB.
    ["Standard_DS4_v2", "m5d.2xlarge", "n2-standard-8"],
    // 8 cores, 64 GB.
    ["Standard_E8s_v3", "r5d.2xlarge", "n2-highmem-8"],
    // 16 cores, 128 GB.
    ["Standard_E16s_v3", "r5d.4xlarge", "n2-highmem-16"],
    // 4 cores and the smallest GPU: NVIDIA T4, T4, L4.
    ["Standard_NC4as_T4_v3", "g4dn.xlarge", "g2-standard-4"],
];

const ADAPTIVE: (&str, &str) = ("spark.sql.adaptive.enabled", "true");
const AUTO_SHUFFLE: (&str, &str) = ("spark.sql.shuffle.partitions", "auto");

/// The presets have the node types of Azure; [`on`](Self::on) changes them to another cloud's. The runtime is 16.4 LTS;
/// [`spark_version`](Self::spark_version) sets another.
impl ClusterSpec {
    /// Two workers of 4 cores, for light work.
    pub fn small() -> Self {
        Self::new().spark_version(RUNTIME).node_type_id("Standard_DS3_v2").num_workers(2)
    }

    /// Two to eight workers of 8 cores.
    pub fn medium_autoscale() -> Self {
        Self::new()
            .spark_version(RUNTIME)
            .node_type_id("Standard_DS4_v2")
            .autoscale(AutoScale::new(2_u32, 8_u32))
            .spark_conf([ADAPTIVE, AUTO_SHUFFLE])
    }

    /// Four to 32 workers of 8 cores and 64 GB with a driver twice as large, for heavy ETL: adaptive execution, written
    /// files optimized and compacted.
    pub fn large_etl() -> Self {
        Self::new()
            .spark_version(RUNTIME)
            .node_type_id("Standard_E8s_v3")
            .driver_node_type_id("Standard_E16s_v3")
            .autoscale(AutoScale::new(4_u32, 32_u32))
            .spark_conf([
                ADAPTIVE,
                AUTO_SHUFFLE,
                ("spark.sql.adaptive.coalescePartitions.enabled", "true"),
                ("spark.databricks.delta.optimizeWrite.enabled", "true"),
                ("spark.databricks.delta.autoCompact.enabled", "true"),
            ])
    }

    /// Two workers with a GPU each and the runtime for machine learning; a task takes a whole GPU.
    ///
    /// The machine is the cloud's smallest with a GPU. (On Azure the V100 machines, `Standard_NC6s_v3` among them, were
    /// retired in September 2025; this is their T4 successor in the NC line.)
    pub fn gpu_ml() -> Self {
        Self::new().spark_version(GPU_RUNTIME).node_type_id("Standard_NC4as_T4_v3").num_workers(2).spark_conf(
            [
                ADAPTIVE,
                ("spark.databricks.delta.preview.enabled", "false"),
                ("spark.task.resource.gpu.amount", "1"),
            ],
        )
    }

    /// The same on another cloud: the machine types of the presets become the ones there with as many cores and about as
    /// much memory. Other types stay as they are.
    ///
    /// ```
    /// use databricks_jobs::{Cloud, ClusterSpec};
    ///
    /// let cluster = ClusterSpec::large_etl().on(Cloud::Aws);
    /// assert_eq!(cluster.node_type_id.as_deref(), Some("r5d.2xlarge"));
    /// assert_eq!(cluster.driver_node_type_id.as_deref(), Some("r5d.4xlarge"));
    /// ```
    pub fn on(mut self, cloud: Cloud) -> Self {
        for machine in [&mut self.node_type_id, &mut self.driver_node_type_id].into_iter().flatten() {
            if let Some(same) = MACHINES.iter().find(|same| same.contains(&machine.as_str())) {
                let [azure, aws, gcp] = *same;
                let there = match cloud {
                    Cloud::Azure => azure,
                    Cloud::Aws => aws,
                    Cloud::Gcp => gcp,
                };
                there.clone_into(machine);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_as_documented() {
        let presets = [
            ClusterSpec::small(),
            ClusterSpec::medium_autoscale(),
            ClusterSpec::large_etl(),
            ClusterSpec::gpu_ml(),
        ];
        insta::assert_json_snapshot!(presets);
    }

    #[test]
    fn a_cluster_moves_to_another_cloud_and_back() {
        for spec in [ClusterSpec::small(), ClusterSpec::large_etl(), ClusterSpec::gpu_ml()] {
            for cloud in [Cloud::Aws, Cloud::Gcp] {
                let there = spec.clone().on(cloud);
                assert_ne!(there.node_type_id, spec.node_type_id);
                assert_eq!(there.on(Cloud::Azure), spec);
            }
        }
        let own = ClusterSpec::new().node_type_id("Standard_F4s_v2");
        assert_eq!(own.clone().on(Cloud::Aws), own);
    }
}
