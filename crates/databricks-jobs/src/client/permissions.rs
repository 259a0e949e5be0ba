//! Who may do what with a job.

use databricks_transport::{ApiRequest, Operation};
use http::Method;
use serde::{Deserialize, Serialize};

use super::JobsClient;
use crate::settings::{AccessControl, JobPermissions, PermissionChoice};
use crate::{JobId, Result};

const GET: Operation = Operation::new("jobs.get_permissions").idempotent();
const LEVELS: Operation = Operation::new("jobs.get_permission_levels").idempotent();
// Both name the permissions that are to hold, so that sending them twice does no harm.
const CHANGE: Operation = Operation::new("jobs.change_permissions").idempotent();

impl JobsClient {
    /// Who may do what with a job.
    ///
    /// # Errors
    /// [`JobError::Transport`](crate::JobError::Transport).
    pub async fn permissions(&self, job_id: JobId) -> Result<JobPermissions> {
        Ok(self.client.call(GET, ApiRequest::get(path(job_id))).await?)
    }

    /// The permissions that a job knows.
    ///
    /// # Errors
    /// [`JobError::Transport`](crate::JobError::Transport).
    pub async fn permission_levels(&self, job_id: JobId) -> Result<Vec<PermissionChoice>> {
        #[derive(Deserialize)]
        struct Levels {
            #[serde(default)]
            permission_levels: Vec<PermissionChoice>,
        }
        let request = ApiRequest::get(format!("{}/permissionLevels", path(job_id)));
        let levels: Levels = self.client.call(LEVELS, request).await?;
        Ok(levels.permission_levels)
    }

    /// Lets these do what they are given, and leaves the others.
    pub fn update_permissions(
        &self,
        job_id: JobId,
        access: impl IntoIterator<Item = AccessControl>,
    ) -> ChangePermissions {
        ChangePermissions::new(self, Method::PATCH, job_id, access)
    }

    /// Lets these do what they are given, and nobody else anything but the administrators. It must name an owner.
    pub fn set_permissions(
        &self,
        job_id: JobId,
        access: impl IntoIterator<Item = AccessControl>,
    ) -> ChangePermissions {
        ChangePermissions::new(self, Method::PUT, job_id, access)
    }
}

fn path(job_id: JobId) -> String {
    format!("/api/2.0/permissions/jobs/{job_id}")
}

/// A change of permissions; [`JobsClient::update_permissions`] and [`JobsClient::set_permissions`] make one.
#[derive(Clone, Debug)]
#[must_use = "nothing is changed before `send`"]
pub struct ChangePermissions {
    jobs: JobsClient,
    method: Method,
    job_id: JobId,
    access: Vec<AccessControl>,
}

impl ChangePermissions {
    fn new(
        jobs: &JobsClient,
        method: Method,
        job_id: JobId,
        access: impl IntoIterator<Item = AccessControl>,
    ) -> Self {
        Self { jobs: jobs.clone(), method, job_id, access: access.into_iter().collect() }
    }

    /// Sends the change; gives who may do what then.
    ///
    /// # Errors
    /// [`JobError::Transport`](crate::JobError::Transport).
    pub async fn send(self) -> Result<JobPermissions> {
        #[derive(Serialize)]
        struct Body {
            access_control_list: Vec<AccessControl>,
        }
        let body = Body { access_control_list: self.access };
        let request = ApiRequest::new(self.method, path(self.job_id)).json(&body)?;
        Ok(self.jobs.client.call(CHANGE, request).await?)
    }
}
