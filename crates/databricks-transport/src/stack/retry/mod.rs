//! What is sent again, and when: the decision is a function of values (`decision`), the randomness of waits is a value
//! (`jitter`), what all calls may spend on it together is one too (`budget`). `call` applies them
//! to the attempts of one call; the layer (`service`) only resends.

mod budget;
mod call;
mod decision;
mod jitter;
mod plan;
mod service;

use std::sync::Arc;

pub(crate) use call::NotRepeated;
pub use jitter::Jitter;
pub(crate) use service::Retry;

use crate::config::RetryConfig;
use budget::Budget;

/// How the calls of a client are repeated; shared by all of them.
#[derive(Debug)]
pub(crate) struct RetryPolicy {
    config: RetryConfig,
    jitter: Jitter,
    budget: Arc<Budget>,
}

impl RetryPolicy {
    pub(crate) fn new(config: RetryConfig, jitter: Jitter) -> Arc<Self> {
        let budget = Budget::new(config.budget.clone());
        Arc::new(Self { config, jitter, budget })
    }
}
