//! The road to a client: latency before the first byte, a bandwidth for each body, and counting.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use databricks_transport::{Body, Error};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tower::{Service, ServiceExt};

use super::counters::{Counters, OpenLink};
use crate::request_log::Origin;

/// Bytes that a paced body sends at once.
const PIECE: usize = 64 * 1024;

/// What the way to one origin is like.
#[derive(Clone, Debug)]
pub(super) struct Road<S> {
    pub(super) inner: S,
    pub(super) origin: Origin,
    /// Before the first byte of each answer.
    pub(super) latency: Duration,
    /// Bytes a second of each body; `None` as fast as it goes.
    pub(super) bandwidth: Option<u64>,
    pub(super) counters: Counters,
}

impl<S> Service<Request<Body>> for Road<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Error, Future: Send>
        + Clone
        + Send
        + 'static,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let road = self.clone();
        async move {
            let open = road.arrived(&request);
            if !road.latency.is_zero() {
                tokio::time::sleep(road.latency).await;
            }
            let response = road.inner.oneshot(request).await?;
            Ok(match open {
                Some(open) => response.map(|body| Body::wrap(Paced::new(body, road.bandwidth, open))),
                None => response,
            })
        }
        .boxed()
    }
}

impl<S> Road<S> {
    fn arrived(&self, request: &Request<Body>) -> Option<OpenLink> {
        match self.origin {
            Origin::Storage => Some(self.counters.open_link()),
            Origin::Api => {
                self.counters.api_call(request.method(), request.uri().path());
                None
            }
        }
    }
}

/// A body that is counted, and that goes out no faster than its bandwidth.
struct Paced {
    body: Body,
    pace: Option<Pace>,
    /// Taken from the body and not sent yet.
    rest: Bytes,
    open: OpenLink,
}

/// When the next piece may go.
struct Pace {
    bandwidth: u64,
    began: Instant,
    sent: u64,
    sleep: Pin<Box<Sleep>>,
}

impl Paced {
    fn new(body: Body, bandwidth: Option<u64>, open: OpenLink) -> Self {
        let pace = bandwidth.map(|bandwidth| {
            let began = Instant::now();
            Pace {
                bandwidth: bandwidth.max(1),
                began,
                sent: 0,
                sleep: Box::pin(tokio::time::sleep_until(began)),
            }
        });
        Self { body, pace, rest: Bytes::new(), open }
    }
}

impl Pace {
    /// Notes a piece. The schedule counts from the beginning, so that a late timer is made up for.
    fn sent(&mut self, bytes: usize) {
        self.sent = self.sent.saturating_add(bytes as u64);
        let taken = Duration::from_secs_f64(self.sent as f64 / self.bandwidth as f64);
        let next = self.began.checked_add(taken).unwrap_or(self.began);
        self.sleep.as_mut().reset(next);
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
        let length = match &mut this.pace {
            Some(pace) => {
                ready!(pace.sleep.as_mut().poll(context));
                let length = this.rest.len().min(PIECE);
                pace.sent(length);
                length
            }
            None => this.rest.len(),
        };
        this.open.sent(length);
        Poll::Ready(Some(Ok(Frame::data(this.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.body.size_hint().exact() {
            Some(left) => SizeHint::with_exact(left.saturating_add(self.rest.len() as u64)),
            None => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use http_body_util::BodyExt;

    fn road(
        origin: Origin,
        latency: Duration,
        bandwidth: Option<u64>,
        size: usize,
    ) -> Road<impl Service<Request<Body>, Response = Response<Body>, Error = Error, Future: Send> + Clone>
    {
        let inner = tower::service_fn(move |_: Request<Body>| {
            futures::future::ready(Ok::<_, Error>(Response::new(Body::from(vec![7; size]))))
        });
        Road { inner, origin, latency, bandwidth, counters: Counters::default() }
    }

    fn request(path: &str) -> Request<Body> {
        Request::get(path).body(Body::empty()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_takes_the_time_of_its_bandwidth() {
        let road = road(Origin::Storage, Duration::from_millis(30), Some(1_000_000), 10_000_000);
        let began = Instant::now();
        let response = road.clone().oneshot(request("/results/a/0")).await.unwrap();
        assert_eq!(began.elapsed(), Duration::from_millis(30));
        assert_eq!(response.body().size_hint().exact(), Some(10_000_000));
        let body = response.into_body().collect(usize::MAX).await.unwrap();
        assert_eq!(body, vec![7; 10_000_000]);
        // The last piece need not be waited out.
        let taken = began.elapsed();
        assert!((9_900..10_100).contains(&(taken.as_millis() as u64)), "{taken:?}");
        let stats = road.counters.read(false);
        assert_eq!((stats.link_gets, stats.link_bytes), (1, 10_000_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_without_a_bandwidth_takes_no_time_and_is_not_cut() {
        let road = road(Origin::Storage, Duration::ZERO, None, 1_000_000);
        let began = Instant::now();
        let mut body = road.oneshot(request("/results/a/0")).await.unwrap().into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(first.len() > PIECE);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_is_open_until_its_body_is_gone() {
        let road = road(Origin::Storage, Duration::ZERO, None, 10);
        let held = road.clone().oneshot(request("/results/a/0")).await.unwrap();
        drop(road.clone().oneshot(request("/results/a/1")).await.unwrap());
        drop(road.clone().oneshot(request("/results/a/2")).await.unwrap());
        drop(held);
        assert_eq!(road.counters.read(false).most_links_at_once, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_of_the_api_is_late_but_not_paced() {
        let road = road(Origin::Api, Duration::from_secs(1), Some(1), 1_000);
        let began = Instant::now();
        let response = road.clone().oneshot(request("/api/2.0/sql/statements/a")).await.unwrap();
        assert_eq!(response.into_body().as_bytes().unwrap().len(), 1_000);
        assert_eq!(began.elapsed(), Duration::from_secs(1));
        assert_eq!(road.counters.read(false).polls, 1);
    }
}
