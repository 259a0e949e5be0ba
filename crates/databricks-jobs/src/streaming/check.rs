//! What a stream must say before a notebook is made of it.

use std::time::Duration;

use super::{Compute, Source, StreamingJob, Trigger, notebook};
use crate::{JobError, Result};

impl StreamingJob {
    /// Refuses what is missing or cannot be, by name.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |name, value: &str, remedy| {
            Err(JobError::InvalidSetting { name, value: value.to_owned(), remedy })
        };
        let path = self.path();
        let named =
            path.rsplit('/').next().is_some_and(|name| !name.is_empty() && name != "." && name != "..");
        if self.name.is_empty() || !named || !path.starts_with('/') {
            return refuse(
                "notebook path of the stream",
                &path,
                "name the stream, or give it an absolute path",
            );
        }
        if self.notebook_path.is_none() && self.name.contains('/') {
            return refuse("name of the stream", &self.name, "leave out `/`, or set a notebook path");
        }
        match &self.source {
            Source::Kafka { servers, topics }
                if servers.is_empty() || topics.is_empty() || topics.iter().any(String::is_empty) =>
            {
                let value = format!("{servers} {topics:?}");
                return refuse("Kafka source", &value, "name a server and a topic at least");
            }
            Source::Delta { table } if table.is_empty() => {
                return refuse("Delta source", table, "name a table");
            }
            Source::Files { path, format } if path.is_empty() || format.is_empty() => {
                return refuse("file source", &format!("{path} {format}"), "name a folder and a format");
            }
            _ => {}
        }
        if let Some(step) = self.steps.iter().find(|step| !step.contains(notebook::INPUT)) {
            return refuse("transformation", step, "read from `{input}`, which stands for the step before");
        }
        if self.sink.as_ref().is_none_or(String::is_empty) {
            return refuse("sink", "", "name a table with `to_delta`");
        }
        if self.checkpoint.as_ref().is_none_or(String::is_empty) {
            return refuse(
                "checkpoint",
                "",
                "name a folder with `checkpoint`: without it, rows are added twice",
            );
        }
        match self.trigger {
            Trigger::Interval(interval) if interval < Duration::from_millis(1) => {
                refuse("trigger interval", &format!("{interval:?}"), "use 1 ms at least, or `continuous`")
            }
            _ if !self.ends() && self.compute == Compute::Serverless => refuse(
                "compute",
                "serverless",
                "name a cluster: serverless compute runs streams that end, by `trigger_available_now` or \
                 `trigger_once`",
            ),
            _ => Ok(()),
        }
    }
}
