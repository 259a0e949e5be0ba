//! Whether a request got as far as a connection. One that is given up before has had no effect, and may be sent again.

use std::sync::Arc;

use http::Request;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};

use crate::stack::CallState;

/// Watches a request until it is answered, fails, or is given up, which is when this is dropped.
#[derive(Debug)]
pub(super) struct Departure {
    connection: CaptureConnection,
    call: Arc<CallState>,
}

impl Departure {
    /// `None` for a request that belongs to no call.
    pub(super) fn of<B>(request: &mut Request<B>) -> Option<Self> {
        let call = request.extensions().get::<Arc<CallState>>().map(Arc::clone)?;
        Some(Self { connection: capture_connection(request), call })
    }
}

impl Drop for Departure {
    /// hyper notes the connection before it hands the request to it.
    fn drop(&mut self) {
        self.call.departed(self.connection.connection_metadata().is_some());
    }
}
