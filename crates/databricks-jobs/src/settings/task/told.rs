//! Tasks that tell people something: dashboards that are refreshed and sent, alerts that are evaluated.

use crate::wire::records;

records! {
    /// A dashboard to refresh.
    DashboardTask() {
        /// Its id.
        opt dashboard_id: String,
        /// The warehouse; the dashboard's own unless set.
        opt warehouse_id: String,
        /// Who is sent a snapshot.
        opt subscription: DashboardSubscription,
        /// Values of its filters by their names.
        map filters: String,
    }

    /// Who is sent a snapshot of a dashboard.
    DashboardSubscription() {
        /// They.
        list subscribers: Subscriber,
        /// Whether they are left alone.
        val paused: bool,
        /// The subject of the mail.
        opt custom_subject: String,
    }

    /// An alert to evaluate: by its id, or by its file.
    AlertTask() {
        /// Its id.
        opt alert_id: String,
        /// Its file in the workspace.
        opt workspace_path: String,
        /// The warehouse.
        opt warehouse_id: String,
        /// Who is told.
        list subscribers: Subscriber,
        /// Parameters of its query.
        map parameters: String,
    }

    /// Who is told: one of its fields.
    Subscriber() {
        /// A user by e-mail address.
        opt user_name: String,
        /// A notification destination.
        opt destination_id: String,
    }
}

impl Subscriber {
    /// A user by e-mail address.
    pub fn user(user_name: impl Into<String>) -> Self {
        Self::new().user_name(user_name)
    }

    /// A notification destination by id.
    pub fn destination(destination_id: impl Into<String>) -> Self {
        Self::new().destination_id(destination_id)
    }
}
