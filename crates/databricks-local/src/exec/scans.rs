//! What delta-rs' scans say of themselves and is not so, put right before the engine's optimizer relies on it.
//!
//! A scan that reads no column is answered from the log: it says that it takes a limit, and takes none. A scan of no
//! file, as a change data feed has for the kinds of change that there were none of, has no partition, which a sort
//! above it cannot use.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

/// The rule that moves limits into what says it takes them.
const MOVES_LIMITS: &str = "LimitPushdown";

/// A rule of the engine's optimizer.
type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// The engine's rules, with those of this file where they have to be.
pub(super) fn with_honest_scans(rules: &[Rule]) -> Vec<Rule> {
    let mut out: Vec<Rule> = vec![Arc::new(ScanRule { name: "EmptyScans", mend: without_no_files })];
    for rule in rules {
        if rule.name() == MOVES_LIMITS {
            out.push(Arc::new(ScanRule { name: "KeptLimits", mend: under_a_limit }));
        }
        out.push(Arc::clone(rule));
    }
    out
}

/// What stands in the place of a node of a plan; none where it can stay.
type Mend = fn(&Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>>;

/// Looks at every node of a plan.
#[derive(Debug)]
struct ScanRule {
    name: &'static str,
    mend: Mend,
}

impl PhysicalOptimizerRule for ScanRule {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let mend = |plan: Arc<dyn ExecutionPlan>| {
            Ok(match (self.mend)(&plan)? {
                Some(mended) => Transformed::yes(mended),
                None => Transformed::no(plan),
            })
        };
        plan.transform_up(mend).data()
    }

    fn name(&self) -> &str {
        self.name
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A union of scans in which those of no file are empty instead.
fn without_no_files(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let inputs = plan.children();
    if plan.name() != "UnionExec" || !inputs.iter().any(|input| is_of_no_file(input)) {
        return Ok(None);
    }
    let mut scans = Vec::with_capacity(inputs.len());
    for input in inputs {
        scans.push(match is_of_no_file(input) {
            true => Arc::new(EmptyExec::new(input.schema())) as Arc<dyn ExecutionPlan>,
            false => Arc::clone(input),
        });
    }
    UnionExec::try_new(scans).map(Some)
}

fn is_of_no_file(scan: &Arc<dyn ExecutionPlan>) -> bool {
    scan.output_partitioning().partition_count() == 0
}

/// A scan that would swallow a limit goes under a node that takes it.
fn under_a_limit(scan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let deaf =
        scan.children().is_empty() && scan.supports_limit_pushdown() && scan.with_fetch(Some(1)).is_none();
    Ok(deaf.then(|| Arc::new(CoalescePartitionsExec::new(Arc::clone(scan))) as Arc<dyn ExecutionPlan>))
}
