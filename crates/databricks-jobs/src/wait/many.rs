//! Waiting for many runs at once.

use futures::stream::{self, BoxStream, FuturesUnordered, StreamExt};

use super::{Look, WaitConfig};
use crate::{JobsClient, Result, Run, RunId};

/// A wait for many runs about to begin; [`JobsClient::wait_all`] makes one.
#[derive(Clone, Debug)]
#[must_use = "nothing is waited for before `send`"]
pub struct WaitAll {
    jobs: JobsClient,
    runs: Vec<RunId>,
    config: WaitConfig,
}

impl WaitAll {
    pub(crate) fn new(jobs: JobsClient, runs: Vec<RunId>) -> Self {
        Self { jobs, runs, config: WaitConfig::default() }
    }

    /// Sets how to wait for each of them.
    pub fn config(mut self, config: WaitConfig) -> Self {
        self.config = config;
        self
    }

    /// Waits until all are over, whatever becomes of each; gives what [`Wait::send`](crate::Wait::send) says of each, in the
    /// order of the ids. A run that is named twice is waited for once for each.
    pub async fn send(self) -> Vec<(RunId, Result<Run>)> {
        let Self { jobs, runs, config } = self;
        let waits = runs.iter().enumerate().map(|(place, run_id)| {
            let wait = jobs.wait(*run_id).config(config.clone());
            async move { (place, wait.send().await) }
        });
        let mut ended: Vec<(usize, Result<Run>)> = waits.collect::<FuturesUnordered<_>>().collect().await;
        ended.sort_by_key(|(place, _)| *place);
        runs.into_iter().zip(ended.into_iter().map(|(_, result)| result)).collect()
    }

    /// The looks at all of them as they come. An error is the end of its own run's wait only.
    pub fn watch(self) -> BoxStream<'static, (RunId, Result<Look>)> {
        let Self { jobs, runs, config } = self;
        let watches = runs.into_iter().map(|run_id| {
            let looks = jobs.wait(run_id).config(config.clone()).watch();
            looks.map(move |look| (run_id, look))
        });
        stream::select_all(watches).boxed()
    }
}
