//! Who a job runs as, and who may do what with it.

use crate::wire::{records, words};

records! {
    /// Who runs act as: one of its fields.
    RunAs() {
        /// A user by e-mail address.
        opt user_name: String,
        /// A service principal by application id.
        opt service_principal_name: String,
        /// A group.
        opt group_name: String,
    }

    /// What one user, group or service principal may do with a job.
    AccessControl() {
        /// A user by e-mail address.
        opt user_name: String,
        /// A group.
        opt group_name: String,
        /// A service principal by application id.
        opt service_principal_name: String,
        /// What they may do.
        val permission_level: PermissionLevel,
    }

    /// Who may do what with a job, as the service tells it.
    JobPermissions() {
        /// One entry for each user, group and service principal.
        list access_control_list: GrantedAccess,
        /// The object, such as `/jobs/7`.
        opt object_id: String,
        /// Its type: `job`.
        opt object_type: String,
    }

    /// What one user, group or service principal may do, and why.
    GrantedAccess() {
        /// A user by e-mail address.
        opt user_name: String,
        /// A group.
        opt group_name: String,
        /// A service principal by application id.
        opt service_principal_name: String,
        /// A name for people.
        opt display_name: String,
        /// Each permission and where it comes from.
        list all_permissions: GrantedPermission,
    }

    /// A permission and where it comes from.
    GrantedPermission() {
        /// The permission.
        val permission_level: PermissionLevel,
        /// Whether it comes from above.
        val inherited: bool,
        /// From what.
        list inherited_from_object: String,
    }

    /// A permission that a job knows.
    PermissionChoice() {
        /// The permission.
        val permission_level: PermissionLevel,
        /// What it allows, in words.
        opt description: String,
    }
}

words! {
    /// What somebody may do with a job. Each includes those before it.
    PermissionLevel {
        /// See it, its runs and their results.
        CanView = "CAN_VIEW",
        /// Start and cancel runs too.
        CanManageRun = "CAN_MANAGE_RUN",
        /// Change it too.
        CanManage = "CAN_MANAGE",
        /// Be its owner.
        IsOwner = "IS_OWNER",
    }
}

impl RunAs {
    /// A user by e-mail address.
    pub fn user(user_name: impl Into<String>) -> Self {
        Self::new().user_name(user_name)
    }

    /// A service principal by application id.
    pub fn service_principal(application_id: impl Into<String>) -> Self {
        Self::new().service_principal_name(application_id)
    }
}

impl AccessControl {
    /// What a user may do.
    pub fn user(user_name: impl Into<String>, level: PermissionLevel) -> Self {
        Self::new().user_name(user_name).permission_level(level)
    }

    /// What a group may do.
    pub fn group(group_name: impl Into<String>, level: PermissionLevel) -> Self {
        Self::new().group_name(group_name).permission_level(level)
    }

    /// What a service principal may do.
    pub fn service_principal(application_id: impl Into<String>, level: PermissionLevel) -> Self {
        Self::new().service_principal_name(application_id).permission_level(level)
    }
}
