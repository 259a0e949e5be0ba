//! A spawned task that does not outlive its owner.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;

use crate::Result;
use crate::cancel::task_ended;

/// The future of a task; dropping it aborts the task.
#[derive(Debug)]
pub(crate) struct Task<T>(JoinHandle<Result<T>>);

impl<T> Task<T> {
    pub(crate) fn owning(handle: JoinHandle<Result<T>>) -> Self {
        Self(handle)
    }

    /// Ends the task, if it has not ended.
    pub(crate) fn stop(&self) {
        self.0.abort();
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        Pin::new(&mut self.0).poll(context).map(|joined| joined.unwrap_or_else(|_| Err(task_ended())))
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.stop();
    }
}
