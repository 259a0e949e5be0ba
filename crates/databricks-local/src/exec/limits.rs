//! LIMIT over scans that read no column: delta-rs answers those from the log, says that it takes a limit, and takes none.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;

/// The rule that moves limits into what says it takes them.
const MOVES_LIMITS: &str = "LimitPushdown";

/// Puts such scans under a node that does take a limit.
#[derive(Debug)]
struct KeptLimits;

impl PhysicalOptimizerRule for KeptLimits {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let keep = |plan: Arc<dyn ExecutionPlan>| {
            let deaf = plan.children().is_empty()
                && plan.supports_limit_pushdown()
                && plan.with_fetch(Some(1)).is_none();
            Ok(if deaf {
                Transformed::yes(Arc::new(CoalescePartitionsExec::new(plan)) as Arc<dyn ExecutionPlan>)
            } else {
                Transformed::no(plan)
            })
        };
        plan.transform_up(keep).data()
    }

    fn name(&self) -> &str {
        "KeptLimits"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A rule of the engine's optimizer.
type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// The engine's rules, with this one before limits are moved.
pub(super) fn with_kept_limits(rules: &[Rule]) -> Vec<Rule> {
    let mut out: Vec<Rule> = Vec::with_capacity(rules.len() + 1);
    for rule in rules {
        if rule.name() == MOVES_LIMITS {
            out.push(Arc::new(KeptLimits));
        }
        out.push(Arc::clone(rule));
    }
    out
}
