//! The progress bar, where somebody looks.

use std::sync::Arc;
use std::time::Duration;

use databricks_delta::WriteProgress;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::sources::Tally;

/// A bar on the standard error that counts the files' bytes, or nothing.
#[derive(Clone)]
pub(crate) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    pub(crate) fn new(watched: bool) -> Self {
        let bar = match watched {
            true => ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()),
            false => ProgressBar::hidden(),
        };
        if watched {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Self { bar }
    }

    /// The files are known.
    pub(crate) fn starts(&self, total_bytes: u64) {
        self.bar.set_length(total_bytes);
        let template = "{bar:30} {bytes}/{total_bytes}, {msg}, {elapsed}, {eta} left";
        // A template that cannot be read leaves the bar as it is.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
    }

    /// Some rows were read.
    pub(crate) fn read(&self, tally: &Tally) {
        self.bar.set_position(tally.bytes());
    }

    /// What a write tells moves the bar.
    pub(crate) fn follow(&self, tally: Arc<Tally>) -> impl Fn(WriteProgress) + Send + Sync + 'static {
        let bar = self.bar.clone();
        move |now| {
            let (rows, bytes) = (HumanCount(now.rows_uploaded), HumanBytes(now.bytes_uploaded));
            bar.set_position(tally.bytes());
            bar.set_message(match tally.is_read() && now.rows_uploaded == tally.rows() {
                true => format!("{rows} rows uploaded ({bytes}), committing"),
                false => format!("{rows} rows uploaded ({bytes})"),
            });
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
