//! Answers whose bodies break off, stop, or lie.

use std::time::Duration;

use bytes::Bytes;
use databricks_transport::{Body, Error};
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use http::Response;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http_body::Body as _;

use super::corruption::Corruption;
use super::layer::reset;

/// Before a connection breaks, what was written has to leave it: a socket that breaks at once takes that along.
const FLUSH: Duration = Duration::from_millis(10);

/// What became of an answer that was to be spoiled.
#[derive(Debug)]
pub(super) enum Spoiled {
    Changed(Response<Body>),
    /// There is nothing to spoil in it.
    Same(Response<Body>),
}

/// The pieces of a body, and the bytes that may still pass.
struct Passing {
    pieces: BoxStream<'static, Result<Bytes, Error>>,
    left: u64,
}

impl Passing {
    fn new(body: Body, left: u64) -> Self {
        Self { pieces: body.into_stream().fuse().boxed(), left }
    }

    /// The next piece, as far as it may pass, and what is held back of it; `None` when nothing may pass any more.
    async fn next(&mut self) -> Option<Result<(Bytes, Bytes), Error>> {
        if self.left == 0 {
            return None;
        }
        let mut piece = match self.pieces.next().await? {
            Ok(piece) => piece,
            Err(error) => return Some(Err(error)),
        };
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(piece.len());
        let passes = piece.split_to(room);
        self.left = self.left.saturating_sub(room as u64);
        Some(Ok((passes, piece)))
    }
}

/// Breaks the connection after so many bytes, at the latest before the last one.
pub(super) fn truncated(response: Response<Body>, after: u64) -> Spoiled {
    if is_empty(response.body()) {
        return Spoiled::Same(response);
    }
    let length = response.body().size_hint().exact();
    let after = length.map_or(after, |length| after.min(length.saturating_sub(1)));
    replaced(response, length, |body| {
        stream::unfold(Some(Passing::new(body, after)), |passing| async move {
            let mut passing = passing?;
            match passing.next().await {
                Some(Ok((piece, _))) => Some((Ok(piece), Some(passing))),
                Some(Err(error)) => Some((Err(error), None)),
                None => {
                    tokio::time::sleep(FLUSH).await;
                    Some((Err(reset()), None))
                }
            }
        })
    })
}

/// Falls silent after so many bytes; a body that is no longer than that does so before its end.
pub(super) fn stalled(response: Response<Body>, after: u64, lasting: Option<Duration>) -> Spoiled {
    if is_empty(response.body()) {
        return Spoiled::Same(response);
    }
    let length = response.body().size_hint().exact();
    let after = length.map_or(after, |length| after.min(length.saturating_sub(1)));
    replaced(response, length, move |body| {
        let state = (Passing::new(body, after), None, false);
        stream::unfold(
            state,
            move |(mut passing, mut held, silent): (Passing, Option<Bytes>, bool)| async move {
                if !silent {
                    match passing.next().await {
                        Some(Ok((piece, rest))) => {
                            held = Some(rest).filter(|rest| !rest.is_empty());
                            return Some((Ok(piece), (passing, held, false)));
                        }
                        Some(Err(error)) => return Some((Err(error), (passing, held, false))),
                        None => silence(lasting).await,
                    }
                }
                if let Some(rest) = held.take() {
                    return Some((Ok(rest), (passing, None, true)));
                }
                let piece = passing.pieces.next().await?;
                Some((piece, (passing, None, true)))
            },
        )
    })
}

/// Says nothing for a time, or for good.
pub(super) async fn silence(lasting: Option<Duration>) {
    match lasting {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// Another body for an answer, of the length that was announced for the whole one.
fn replaced<S>(response: Response<Body>, length: Option<u64>, make: impl FnOnce(Body) -> S) -> Spoiled
where
    S: Stream<Item = Result<Bytes, Error>> + Send + 'static,
{
    let (mut head, body) = response.into_parts();
    let stream = make(body);
    let body = match length {
        Some(length) => {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            Body::from_sized_stream(stream, length)
        }
        None => Body::from_stream(stream),
    };
    Spoiled::Changed(Response::from_parts(head, body))
}

/// Spoils a body. All of it is read first.
///
/// # Errors
/// What the body itself fails with.
pub(super) async fn corrupted(response: Response<Body>, corruption: Corruption) -> Result<Spoiled, Error> {
    if is_empty(response.body()) {
        return Ok(Spoiled::Same(response));
    }
    let (mut head, body) = response.into_parts();
    let whole = body.collect(usize::MAX).await?;
    let bytes = corruption.spoil(&whole);
    if head.headers.contains_key(CONTENT_LENGTH) {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    }
    let is_same = bytes == whole;
    let response = Response::from_parts(head, Body::from(bytes));
    Ok(if is_same { Spoiled::Same(response) } else { Spoiled::Changed(response) })
}

fn is_empty(body: &Body) -> bool {
    body.is_end_stream() || body.size_hint().exact() == Some(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use futures::FutureExt;
    use proptest::prelude::*;

    fn streamed(length: Option<u64>) -> Response<Body> {
        let pieces = stream::iter(["abc", "", "def"].map(|text| Ok(Bytes::from(text))));
        Response::new(match length {
            Some(length) => Body::from_sized_stream(pieces, length),
            None => Body::from_stream(pieces),
        })
    }

    fn changed(spoiled: Spoiled) -> Response<Body> {
        match spoiled {
            Spoiled::Changed(response) => response,
            Spoiled::Same(response) => panic!("as it was: {response:?}"),
        }
    }

    /// What arrives, and whether it ended well.
    async fn read(response: Response<Body>) -> (String, bool) {
        let mut stream = Box::pin(response.into_body().into_stream());
        let (mut text, mut well) = (String::new(), true);
        while let Some(piece) = stream.next().await {
            match piece {
                Ok(piece) => text.push_str(std::str::from_utf8(&piece).unwrap()),
                Err(_) => well = false,
            }
        }
        (text, well)
    }

    #[tokio::test(start_paused = true)]
    async fn a_truncated_body_announces_all_of_it_and_breaks() {
        for (after, arrives) in [(0, ""), (4, "abcd"), (6, "abcde"), (u64::MAX, "abcde")] {
            let response = changed(truncated(streamed(Some(6)), after));
            assert_eq!(response.headers()[CONTENT_LENGTH], "6");
            assert_eq!(read(response).await, (arrives.to_owned(), false), "{after}");
            assert_eq!(read(changed(truncated(Response::new(Body::from("abcdef")), after))).await.0, arrives);
        }
        let response = changed(truncated(streamed(None), u64::MAX));
        assert!(!response.headers().contains_key(CONTENT_LENGTH));
        assert_eq!(read(response).await, ("abcdef".to_owned(), false));
        let empty = || Response::new(Body::empty());
        assert!(matches!(truncated(empty(), 3), Spoiled::Same(_)));
        assert!(matches!(stalled(empty(), 3, None), Spoiled::Same(_)));
        let cut = corrupted(empty(), Corruption::Cut { after: 0 }).await.unwrap();
        assert!(matches!(cut, Spoiled::Same(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_ends_when_it_is_told_to_and_nothing_is_lost() {
        for (length, after) in [(Some(6), 4), (Some(6), 0), (Some(6), 99), (None, 2), (None, 99)] {
            let begun = tokio::time::Instant::now();
            let response = changed(stalled(streamed(length), after, Some(Duration::from_secs(9))));
            assert_eq!(read(response).await, ("abcdef".to_owned(), true), "{after}");
            assert_eq!(begun.elapsed(), Duration::from_secs(9));
        }
        let endless = changed(stalled(streamed(Some(6)), 4, None)).into_body().collect(100);
        assert!(tokio::time::timeout(Duration::from_secs(86_400), endless).await.is_err());
    }

    proptest! {
        #[test]
        fn as_many_bytes_are_wrong_as_asked_for(content in prop::collection::vec(any::<u8>(), 1..500), count in 0_usize..600, seed: u64) {
            let spoil = |corruption| {
                let response = Response::new(Body::from(content.clone()));
                let (Spoiled::Changed(spoiled) | Spoiled::Same(spoiled)) =
                    corrupted(response, corruption).now_or_never().unwrap().unwrap();
                spoiled.into_body().collect(1000).now_or_never().unwrap().unwrap()
            };
            let spoiled = spoil(Corruption::Flipped { bytes: count, seed });
            prop_assert_eq!(spoiled.len(), content.len());
            let wrong = spoiled.iter().zip(&content).filter(|(a, b)| a != b).count();
            prop_assert_eq!(wrong, count.min(content.len()));
            prop_assert_eq!(&spoiled, &spoil(Corruption::Flipped { bytes: count, seed }));
            let cut = spoil(Corruption::Cut { after: count });
            prop_assert_eq!(&cut[..], &content[..count.min(content.len() - 1)]);
        }
    }
}
