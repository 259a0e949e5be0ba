//! What starts runs: a calendar, a file, a table, or nothing but the end of the run before.

use crate::wire::{records, words};

records! {
    /// A calendar by cron expression.
    CronSchedule(
        /// A Quartz expression, seconds first: `0 30 4 * * ?`.
        quartz_cron_expression: String,
        /// A time zone by its Java name: `Europe/Berlin`.
        timezone_id: String,
    ) {
        /// Whether it rests.
        val pause_status: PauseStatus,
    }

    /// A run after the other, without end.
    Continuous() {
        /// Whether it rests.
        val pause_status: PauseStatus,
        /// Whether tasks that fail are tried again, ever more slowly.
        val task_retry_mode: TaskRetryMode,
    }

    /// What else starts runs: one of its fields.
    TriggerSettings() {
        /// Files that arrive.
        opt file_arrival: FileArrivalTrigger,
        /// Time that passes.
        opt periodic: PeriodicTrigger,
        /// Tables that change.
        opt table_update: TableUpdateTrigger,
        /// Whether it rests.
        val pause_status: PauseStatus,
    }

    /// Files that arrive at a storage location.
    FileArrivalTrigger(
        /// An external location or a volume, below which is looked.
        url: String,
    ) {
        /// Seconds between two runs, at least.
        val min_time_between_triggers_seconds: i64,
        /// Seconds without another file before a run starts.
        val wait_after_last_change_seconds: i64,
    }

    /// A fixed time between runs.
    PeriodicTrigger(
        /// How many units.
        interval: i64,
        /// Of what.
        unit: PeriodicUnit,
    ) {}

    /// Tables that change.
    TableUpdateTrigger(
        /// The tables, with catalog and schema.
        table_names: Vec<String>,
    ) {
        /// Whether one change is enough.
        val condition: TableUpdateCondition,
        /// Seconds between two runs, at least.
        val min_time_between_triggers_seconds: i64,
        /// Seconds without another change before a run starts.
        val wait_after_last_change_seconds: i64,
    }
}

words! {
    /// Whether a trigger rests.
    PauseStatus {
        /// It rests.
        Paused = "PAUSED",
        /// It starts runs.
        Unpaused = "UNPAUSED",
    }

    /// Whether the tasks of a continuous job are tried again.
    TaskRetryMode {
        /// Never.
        Never = "NEVER",
        /// When they fail.
        OnFailure = "ON_FAILURE",
    }

    /// A unit of time.
    PeriodicUnit {
        /// Minutes.
        Minutes = "MINUTES",
        /// Hours.
        Hours = "HOURS",
        /// Days.
        Days = "DAYS",
        /// Weeks.
        Weeks = "WEEKS",
    }

    /// How many of the tables must have changed.
    TableUpdateCondition {
        /// One of them.
        AnyUpdated = "ANY_UPDATED",
        /// All of them.
        AllUpdated = "ALL_UPDATED",
    }
}

impl TriggerSettings {
    /// Files that arrive at a storage location.
    pub fn on_file_arrival(url: impl Into<String>) -> Self {
        Self::new().file_arrival(FileArrivalTrigger::new(url))
    }

    /// A fixed time between runs.
    pub fn every(interval: i64, unit: PeriodicUnit) -> Self {
        Self::new().periodic(PeriodicTrigger::new(interval, unit))
    }

    /// Tables that change, one of them unless told otherwise.
    pub fn on_table_update(tables: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let tables: Vec<String> = tables.into_iter().map(Into::into).collect();
        Self::new().table_update(TableUpdateTrigger::new(tables))
    }
}
