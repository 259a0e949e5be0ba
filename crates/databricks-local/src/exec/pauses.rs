//! Pauses in queries: without them a join of small tables into a huge result computes on and on, and neither a cancel
//! nor another statement gets a turn.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;

/// Lets every join pause now and then. The engine's own rule has only scans and exchanges pause, which is often enough
/// where the rows that come out are about as many as those that go in.
#[derive(Debug)]
pub(super) struct PausingJoins;

impl PhysicalOptimizerRule for PausingJoins {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let pause = |plan: Arc<dyn ExecutionPlan>| {
            Ok(if plan.name().ends_with("JoinExec") {
                Transformed::yes(Arc::new(CooperativeExec::new(plan)) as Arc<dyn ExecutionPlan>)
            } else {
                Transformed::no(plan)
            })
        };
        plan.transform_up(pause).data()
    }

    fn name(&self) -> &str {
        "PausingJoins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
