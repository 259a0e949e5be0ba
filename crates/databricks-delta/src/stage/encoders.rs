//! Where the parts of a write are encoded: as many at a time as there are cores, since more would only take turns and
//! drive each other's dictionaries out of the caches.

use std::thread;

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::buffers::Buffers;
use crate::error::{DeltaError, Result};

/// The encoders of one write.
#[derive(Debug)]
pub(crate) struct Encoders {
    /// One for each core.
    cores: Semaphore,
    buffers: Buffers,
}

impl Encoders {
    pub(super) fn new() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self { cores: Semaphore::new(cores), buffers: Buffers::default() }
    }

    /// Runs `encode`, which writes into the empty buffer that it is given, when a core is free for it.
    pub(super) async fn run(
        &self,
        encode: impl FnOnce(Vec<u8>) -> Result<Vec<u8>> + Send + 'static,
    ) -> Result<Bytes> {
        let _core = self.cores.acquire().await.map_err(DeltaError::data)?;
        let buffer = self.buffers.take();
        let file = on_own_thread(move || encode(buffer)).await??;
        Ok(self.buffers.share(file))
    }
}

/// Runs heavy work on a thread that is started for it.
///
/// The threads of the runtime's pool take turns. Each that has encoded a part keeps the memory it took, as allocators go
/// by threads, and in the end all of them have as much. What a thread leaves behind that ends, the next one takes over.
async fn on_own_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let no_thread =
        |error: std::io::Error| DeltaError::Input(format!("no thread to encode on: {error}").into());
    let run = move || {
        let thread = thread::Builder::new().name("encode".to_owned()).spawn(work).map_err(no_thread)?;
        thread.join().or_else(|panic| std::panic::resume_unwind(panic))
    };
    // Waited for in the pool, so that a paused clock stands still meanwhile.
    tokio::task::spawn_blocking(run).await.map_err(DeltaError::data)?
}
