//! Who is told of a run, and when a run counts as unwell.

use crate::wire::{records, words};

records! {
    /// Mail addresses by event.
    EmailNotifications() {
        /// When a run begins.
        list on_start: String,
        /// When it succeeded.
        list on_success: String,
        /// When it failed, was cut short by its timeout, or could not start.
        list on_failure: String,
        /// When it takes longer than the health rule for `RUN_DURATION_SECONDS` allows.
        list on_duration_warning_threshold_exceeded: String,
        /// When a stream is further behind than a health rule allows.
        list on_streaming_backlog_exceeded: String,
        /// Whether skipped runs are no news; deprecated in favour of [`NotificationSettings`].
        val no_alert_for_skipped_runs: bool,
    }

    /// Notification destinations by event, at most three each.
    WebhookNotifications() {
        /// When a run begins.
        list on_start: Webhook,
        /// When it succeeded.
        list on_success: Webhook,
        /// When it failed, was cut short by its timeout, or could not start.
        list on_failure: Webhook,
        /// When it takes longer than the health rule for `RUN_DURATION_SECONDS` allows.
        list on_duration_warning_threshold_exceeded: Webhook,
        /// When a stream is further behind than a health rule allows.
        list on_streaming_backlog_exceeded: Webhook,
    }

    /// A notification destination.
    Webhook(
        /// Its id.
        id: String,
    ) {}

    /// What nobody is told.
    NotificationSettings() {
        /// Nothing of skipped runs.
        val no_alert_for_skipped_runs: bool,
        /// Nothing of cancelled runs.
        val no_alert_for_canceled_runs: bool,
        /// Of a task: nothing of attempts that are tried again.
        val alert_on_last_attempt: bool,
    }

    /// When a run counts as unwell.
    HealthRules() {
        /// The rules; each sends its own warning.
        list rules: HealthRule,
    }

    /// A measure that must not be passed.
    HealthRule(
        /// What is measured.
        metric: HealthMetric,
        /// How it is compared.
        op: HealthOperator,
        /// With what.
        value: i64,
    ) {}
}

words! {
    /// What a health rule measures.
    HealthMetric {
        /// Seconds that a run takes.
        RunDurationSeconds = "RUN_DURATION_SECONDS",
        /// Bytes that a stream is behind.
        StreamingBacklogBytes = "STREAMING_BACKLOG_BYTES",
        /// Files that a stream is behind.
        StreamingBacklogFiles = "STREAMING_BACKLOG_FILES",
        /// Rows that a stream is behind.
        StreamingBacklogRecords = "STREAMING_BACKLOG_RECORDS",
        /// Seconds that a stream is behind.
        StreamingBacklogSeconds = "STREAMING_BACKLOG_SECONDS",
    }

    /// How a health rule compares.
    HealthOperator {
        /// More than the value.
        GreaterThan = "GREATER_THAN",
    }
}

impl HealthRules {
    /// One rule: unwell when this is more than the value.
    pub fn more_than(metric: HealthMetric, value: i64) -> Self {
        Self::new().rules([HealthRule::new(metric, HealthOperator::GreaterThan, value)])
    }
}

impl From<&str> for Webhook {
    fn from(id: &str) -> Self {
        Self::new(id)
    }
}
