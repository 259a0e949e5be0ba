//! What all calls of a client may spend on repetitions together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::config::RetryBudget;

/// A bucket of tokens: repetitions take some out, success puts some back.
#[derive(Debug)]
pub(super) struct Budget {
    config: RetryBudget,
    tokens: AtomicU32,
}

/// Tokens taken for a repetition that has not been sent. Dropped, they go back: the call was given up while it waited.
#[derive(Debug)]
pub(super) struct Reserved {
    budget: Arc<Budget>,
    cost: u32,
}

impl Budget {
    pub(super) fn new(config: RetryBudget) -> Arc<Self> {
        let tokens = AtomicU32::new(config.capacity);
        Arc::new(Self { config, tokens })
    }

    /// The tokens for a repetition, or `None` when there are not enough.
    pub(super) fn reserve(self: &Arc<Self>, after_timeout: bool) -> Option<Reserved> {
        let RetryBudget { retry_cost, timeout_cost, .. } = self.config;
        let cost = if after_timeout { timeout_cost } else { retry_cost };
        let taken =
            self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tokens| tokens.checked_sub(cost));
        taken.ok().map(|_| Reserved { budget: Arc::clone(self), cost })
    }

    /// A call succeeded; `spent` is what its last repetition cost, if there was one.
    pub(super) fn succeeded(&self, spent: Option<u32>) {
        self.refill(spent.unwrap_or(self.config.success_refill));
    }

    fn refill(&self, tokens: u32) {
        let capacity = self.config.capacity;
        // Full most of the time, and then there is nothing to write.
        if tokens > 0 && self.tokens.load(Ordering::Relaxed) < capacity {
            let filled = |held: u32| Some(held.saturating_add(tokens).min(capacity));
            // It never refuses.
            let _ = self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, filled);
        }
    }

    #[cfg(test)]
    pub(super) fn tokens(&self) -> u32 {
        self.tokens.load(Ordering::Relaxed)
    }
}

impl Reserved {
    /// The repetition is sent: the tokens are gone. Says how many.
    pub(super) fn spend(mut self) -> u32 {
        std::mem::take(&mut self.cost)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.budget.refill(self.cost);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn budget(capacity: u32) -> Arc<Budget> {
        Budget::new(RetryBudget::default().with_capacity(capacity))
    }

    #[test]
    fn repetitions_cost_and_success_pays_back() {
        let budget = budget(22);
        let retry = budget.reserve(false).unwrap().spend();
        assert_eq!((retry, budget.tokens()), (5, 17));
        assert_eq!((budget.reserve(true).unwrap().spend(), budget.tokens()), (10, 7));
        assert!(budget.reserve(true).is_none(), "a timeout costs more than is left");
        assert_eq!((budget.reserve(false).unwrap().spend(), budget.tokens()), (5, 2));
        assert!(budget.reserve(false).is_none());
        budget.succeeded(None);
        assert_eq!(budget.tokens(), 3);
        budget.succeeded(Some(10));
        assert_eq!(budget.tokens(), 13);
        budget.succeeded(Some(100));
        assert_eq!(budget.tokens(), 22, "never more than it holds");
    }

    #[test]
    fn what_is_not_sent_is_not_spent() {
        let budget = budget(5);
        let reserved = budget.reserve(false).unwrap();
        assert!(budget.reserve(false).is_none(), "reserved is not to be had twice");
        drop(reserved);
        assert_eq!(budget.tokens(), 5);
    }

    #[test]
    fn an_unlimited_budget_is_never_spent_and_an_empty_one_pays_for_nothing() {
        let unlimited = Budget::new(RetryBudget::unlimited());
        for _ in 0..10_000 {
            unlimited.reserve(true).unwrap().spend();
        }
        assert!(budget(0).reserve(false).is_none());
    }

    proptest! {
        #[test]
        fn tokens_stay_between_none_and_the_capacity(
            capacity in 0..60_u32,
            steps in prop::collection::vec((0..4_u8, any::<bool>()), 0..200),
        ) {
            let budget = budget(capacity);
            let mut held = Vec::new();
            for (step, flag) in steps {
                match step {
                    0 => held.extend(budget.reserve(flag)),
                    1 => drop(held.pop()),
                    2 => { held.pop().map(Reserved::spend); }
                    _ => budget.succeeded(flag.then_some(5)),
                }
                prop_assert!(budget.tokens() <= capacity);
            }
        }
    }
}
