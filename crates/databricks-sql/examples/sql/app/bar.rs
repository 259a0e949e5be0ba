//! The progress bar, where somebody looks.

use std::time::Duration;

use databricks_sql::{Progress, ProgressStream, StatementState};
use futures::StreamExt;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;

/// A bar on the standard error, or nothing.
pub(crate) struct Bar {
    bar: ProgressBar,
    task: Option<JoinHandle<()>>,
}

impl Bar {
    pub(crate) fn new(progress: ProgressStream, watched: bool) -> Self {
        if !watched {
            return Self { bar: ProgressBar::hidden(), task: None };
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.enable_steady_tick(Duration::from_millis(120));
        let task = tokio::spawn(follow(bar.clone(), progress));
        Self { bar, task: Some(task) }
    }

    /// Writes to the output while the bar is out of the way.
    pub(crate) fn above<T>(&self, write: impl FnOnce() -> T) -> T {
        if self.task.is_some() { self.bar.suspend(write) } else { write() }
    }

    pub(crate) fn finish(self) {
        if let Some(task) = self.task {
            task.abort();
        }
        self.bar.finish_and_clear();
    }
}

async fn follow(bar: ProgressBar, mut progress: ProgressStream) {
    while let Some(now) = progress.next().await {
        if let (Some(total), None) = (now.total_rows, bar.length()) {
            bar.set_length(total);
            // A template that cannot be read leaves the bar as it is.
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} rows, {msg}, {elapsed}") {
                bar.set_style(style);
            }
        }
        bar.set_position(now.rows);
        bar.set_message(message(&now));
    }
}

fn message(now: &Progress) -> String {
    match now.state {
        StatementState::Succeeded | StatementState::Closed => HumanBytes(now.bytes_compressed).to_string(),
        StatementState::Pending => "waiting for the warehouse".to_owned(),
        _ => "running".to_owned(),
    }
}
