//! Counts what a client sends: requests, and those of them that try again.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use databricks_transport::{Body, ClientBuilder};
use http::Request;
use tower::util::MapRequestLayer;

/// The counts of one client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    requests: AtomicU64,
    retries: AtomicU64,
    /// The storage objects that were asked for, as hashes.
    objects: Mutex<HashSet<u64>>,
}

/// Travels with all attempts of one API call; set by the first.
#[derive(Clone, Debug, Default)]
struct Sent(Arc<AtomicBool>);

impl Counts {
    /// Lets the client that is built count.
    pub(crate) fn count(&self, builder: ClientBuilder) -> ClientBuilder {
        let counts = self.clone();
        let mark = |mut request: Request<Body>| {
            request.extensions_mut().insert(Sent::default());
            request
        };
        let count = move |request: Request<Body>| {
            counts.sees(&request);
            request
        };
        builder.per_call(MapRequestLayer::new(mark)).leaf_layer(MapRequestLayer::new(count))
    }

    fn sees(&self, request: &Request<Body>) {
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        let again = match request.extensions().get::<Sent>() {
            Some(sent) => sent.0.swap(true, Ordering::Relaxed),
            // Links are no API calls: the same object once more is another try, under whatever signature.
            None => !self.is_new(request),
        };
        self.0.retries.fetch_add(u64::from(again), Ordering::Relaxed);
    }

    fn is_new(&self, request: &Request<Body>) -> bool {
        let mut hasher = DefaultHasher::new();
        (request.uri().authority().map(|host| host.as_str()), request.uri().path()).hash(&mut hasher);
        self.0.objects.lock().unwrap_or_else(PoisonError::into_inner).insert(hasher.finish())
    }

    pub(crate) fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn retries(&self) -> u64 {
        self.0.retries.load(Ordering::Relaxed)
    }
}
