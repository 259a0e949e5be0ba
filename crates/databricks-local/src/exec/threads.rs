//! Where statements run: on threads of their own, so that a query that computes for minutes keeps nobody from asking
//! for its state, cancelling it, or running another.

use std::future::Future;
use std::io;
use std::sync::LazyLock;

use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use tokio::task::AbortHandle;

use crate::error::{LocalError, Result};

/// One thread for each core, for all workspaces of the process.
static THREADS: LazyLock<io::Result<Runtime>> =
    LazyLock::new(|| Builder::new_multi_thread().thread_name("databricks-local-sql").enable_all().build());

/// Runs the work of a statement and gives its outcome. Dropping the future ends the work at its next pause.
///
/// On a runtime of one thread the work stays there: whoever chose that wants everything on it, a paused clock included.
///
/// # Errors
/// When the threads cannot be started, or the work panics.
pub(super) async fn apart<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return work.await;
    }
    let threads = THREADS.as_ref().map_err(LocalError::internal)?;
    let task = threads.spawn(work);
    let _ends_with_this = AbortOnDrop(task.abort_handle());
    task.await.map_err(LocalError::internal)?
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn work_runs_on_other_threads_and_panics_become_errors() {
        let name = apart(async { Ok(std::thread::current().name().map(str::to_owned)) }).await.unwrap();
        assert_eq!(name.as_deref(), Some("databricks-local-sql"));
        let error = apart::<(), _>(async { panic!("on purpose") }).await.unwrap_err();
        assert_eq!(error.class(), "INTERNAL_ERROR");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn dropping_the_future_ends_the_work() {
        let (held, gone) = tokio::sync::oneshot::channel::<()>();
        let work = apart(async move {
            let _held = held;
            std::future::pending::<Result<()>>().await
        });
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), work).await.is_err());
        assert!(gone.await.is_err(), "the sender was dropped with the work");
    }

    #[tokio::test(start_paused = true)]
    async fn a_runtime_of_one_thread_keeps_its_work() {
        let (here, there) =
            (std::thread::current().id(), apart(async { Ok(std::thread::current().id()) }).await.unwrap());
        assert_eq!(here, there);
    }
}
