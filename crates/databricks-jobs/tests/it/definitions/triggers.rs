//! Jobs that differ in what starts them, who is told, and who they run as.

use std::time::Duration;

use databricks_jobs::{
    Continuous, CronSchedule, EditMode, EmailNotifications, FileArrivalTrigger, GitProvider, GitSource,
    HealthMetric, HealthRules, JobSettings, NotificationSettings, PauseStatus, PeriodicUnit, RunAs,
    TableUpdateCondition, TableUpdateTrigger, Task, TaskRetryMode, TriggerSettings, WebhookNotifications,
};

use super::{Made, cluster, one};

fn run() -> Task {
    Task::notebook("run", "/Shared/run")
}

fn load() -> Task {
    Task::notebook("load", "/Shared/load")
}

pub(super) fn definitions() -> Vec<Made> {
    [triggers(), the_rest()].concat()
}

fn triggers() -> Vec<Made> {
    vec![
        ("nightly_schedule", {
            let schedule =
                CronSchedule::new("0 30 4 * * ?", "Europe/Berlin").pause_status(PauseStatus::Unpaused);
            one("nightly", run()).schedule(schedule)
        }),
        ("continuous_stream", {
            let continuous = Continuous::new()
                .pause_status(PauseStatus::Unpaused)
                .task_retry_mode(TaskRetryMode::OnFailure);
            one("stream", Task::notebook("stream", "/Shared/stream").new_cluster(cluster(1)))
                .continuous(continuous)
                .health(HealthRules::more_than(HealthMetric::StreamingBacklogSeconds, 300))
                .email_notifications(
                    EmailNotifications::new().on_streaming_backlog_exceeded(["a@example.com"]),
                )
        }),
        ("file_arrival", {
            let arrival = FileArrivalTrigger::new("/Volumes/main/raw/landing/")
                .min_time_between_triggers_seconds(60)
                .wait_after_last_change_seconds(90);
            let trigger = TriggerSettings::new().file_arrival(arrival).pause_status(PauseStatus::Paused);
            one("arrivals", load()).trigger(trigger)
        }),
        ("periodic", one("periodic", load()).trigger(TriggerSettings::every(4, PeriodicUnit::Hours))),
        ("table_update", {
            let tables: Vec<String> = ["main.sales.orders", "main.sales.returns"].map(str::to_owned).into();
            let update = TableUpdateTrigger::new(tables)
                .condition(TableUpdateCondition::AllUpdated)
                .min_time_between_triggers_seconds(300);
            one("updates", load()).trigger(TriggerSettings::new().table_update(update))
        }),
    ]
}

fn the_rest() -> Vec<Made> {
    vec![
        ("retries_and_timeouts", {
            let flaky = Task::notebook("flaky", "/Shared/flaky")
                .max_retries(3)
                .retry_interval(Duration::from_secs(60))
                .retry_on_timeout(true)
                .timeout(Duration::from_secs(900));
            one("retries", flaky).timeout(Duration::from_secs(7200)).max_concurrent_runs(1)
        }),
        ("notifications", {
            let mail = EmailNotifications::new()
                .on_start(["a@example.com"])
                .on_success(["b@example.com"])
                .on_failure(["c@example.com", "d@example.com"])
                .on_duration_warning_threshold_exceeded(["e@example.com"]);
            let quiet =
                NotificationSettings::new().no_alert_for_canceled_runs(true).no_alert_for_skipped_runs(true);
            one("told", run())
                .email_notifications(mail)
                .webhook_notifications(WebhookNotifications::new().on_start(["w1"]).on_failure(["w2", "w3"]))
                .notification_settings(quiet)
                .health(HealthRules::more_than(HealthMetric::RunDurationSeconds, 600))
        }),
        ("notifications_of_a_task", {
            let quiet =
                NotificationSettings::new().alert_on_last_attempt(true).no_alert_for_skipped_runs(false);
            let task = run()
                .email_notifications(EmailNotifications::new().on_failure(["a@example.com"]))
                .webhook_notifications(WebhookNotifications::new().on_success(["w1"]))
                .notification_settings(quiet)
                .health(HealthRules::more_than(HealthMetric::RunDurationSeconds, 60));
            one("task told", task)
        }),
        ("git_tag_run_as_and_tags", {
            let source = GitSource::new("https://example.com/team/etl", GitProvider::AzureDevOpsServices);
            one("governed", Task::notebook("load", "notebooks/load"))
                .description("Loads the day")
                .git_source(source.git_tag("v1.2.3"))
                .run_as(RunAs::service_principal("692bc6d0-ffa3-11ed-be56-0242ac120002"))
                .tags([("team", "data"), ("tier", "gold")])
                .edit_mode(EditMode::UiLocked)
        }),
        ("parameters", {
            JobSettings::named("parameters")
                .parameters([("table", "users"), ("empty", "")])
                .run_as(RunAs::user("someone@example.com"))
                .task(load().disabled(false))
        }),
    ]
}
