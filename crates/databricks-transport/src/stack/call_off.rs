//! Calling off a request that nobody wants any more, as far as that is still possible.

use tokio::sync::watch;

/// Calls off a request, from anywhere: what has not been sent of it is not sent.
///
/// A call that waits (for its turn under the rate limit, after an answer of 429, for a token, for a connection) ends with
/// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout), and is ambiguous only if an earlier attempt was. One that the server has got goes on to
/// its answer, whatever that is worth by now, and is not repeated. To drop a call's future instead also ends the attempt
/// under way, and nobody learns what became of it.
///
/// ```
/// use databricks_transport::{ApiRequest, CallOff};
///
/// let call_off = CallOff::new();
/// let request = ApiRequest::post("/api/2.0/sql/statements").unless(&call_off);
/// // Somebody's time is up:
/// call_off.call_off();
/// # drop(request);
/// ```
#[derive(Clone, Debug)]
pub struct CallOff(watch::Sender<bool>);

impl CallOff {
    /// For requests to come. Clones call off the same ones.
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Nobody wants the requests any more. It stays so.
    pub fn call_off(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn is_called_off(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends when nobody wants them any more.
    pub(super) async fn called_off(&self) {
        let mut is_off = self.0.subscribe();
        // There is a sender as long as this waits.
        let _ = is_off.wait_for(|is_off| *is_off).await;
    }
}

impl Default for CallOff {
    fn default() -> Self {
        Self::new()
    }
}
