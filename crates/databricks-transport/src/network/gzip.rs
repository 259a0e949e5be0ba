//! gzip for answers that are read whole. Streams and storage objects come as they are, and only what was asked for is
//! decoded.

use std::io::Write;
use std::mem::take;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use flate2::write::MultiGzDecoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, Entry, HeaderValue, RANGE};
use http::{Method, Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame};

use crate::body::Body;
use crate::error::{Error, ErrorKind};

/// So much may come in without anything coming out: more is no text, and could go on for ever.
const LONGEST_NOTHING: usize = 128 * 1024;
/// The decoder is fed so much at a time, in bytes, that what comes out of it stays small: at most a thousandfold.
const BITE: usize = 1024;

/// Asks for gzip if the answer is going to be read whole and the caller has not said what he takes. Tells whether it did.
pub(super) fn ask(request: &mut Request<Body>, read_whole: bool) -> bool {
    if !read_whole || request.method() == Method::HEAD || request.headers().contains_key(RANGE) {
        return false;
    }
    match request.headers_mut().entry(ACCEPT_ENCODING) {
        Entry::Occupied(_) => false,
        Entry::Vacant(undecided) => {
            undecided.insert(HeaderValue::from_static("gzip"));
            true
        }
    }
}

/// The answer with a plain body, if gzip was asked for and is what came.
pub(super) fn decoded(mut answer: Box<Response<Body>>, asked: bool) -> Box<Response<Body>> {
    if !asked || !is_gzip(&answer) {
        return answer;
    }
    answer.headers_mut().remove(CONTENT_ENCODING);
    answer.headers_mut().remove(CONTENT_LENGTH);
    let body = take(answer.body_mut());
    *answer.body_mut() = Body::wrap(Gunzip::new(body));
    answer
}

fn is_gzip(answer: &Response<Body>) -> bool {
    let is_whole = !matches!(
        answer.status(),
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::PARTIAL_CONTENT
    );
    let mut encodings = answer.headers().get_all(CONTENT_ENCODING).into_iter();
    let (Some(only), None) = (encodings.next(), encodings.next()) else { return false };
    let name = only.to_str().unwrap_or_default().trim();
    is_whole && (name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip"))
}

struct Gunzip {
    body: Body,
    /// What came in and is not decoded yet.
    input: Bytes,
    /// `None` when the end is reached, good or bad.
    decoder: Option<MultiGzDecoder<Vec<u8>>>,
    has_begun: bool,
    since_output: usize,
}

impl Gunzip {
    fn new(body: Body) -> Self {
        let decoder = Some(MultiGzDecoder::new(Vec::new()));
        Self { body, input: Bytes::new(), decoder, has_begun: false, since_output: 0 }
    }

    /// Decodes a bite of what has come in. Nothing came out of it, maybe.
    fn bite(&mut self) -> Result<Vec<u8>, Error> {
        let Some(decoder) = &mut self.decoder else { return Ok(Vec::new()) };
        let bite = self.input.get(..self.input.len().min(BITE)).unwrap_or_default();
        let taken = decoder.write(bite).map_err(|error| corrupt(&error.to_string()))?;
        self.has_begun = true;
        self.input.advance(taken.min(self.input.len()));
        let output = take(decoder.get_mut());
        self.since_output =
            if output.is_empty() { self.since_output.saturating_add(taken.max(1)) } else { 0 };
        if self.since_output > LONGEST_NOTHING {
            return Err(corrupt("there is no text in it"));
        }
        Ok(output)
    }

    /// What is left when all has come in. No body at all is an empty one, whatever the header calls it.
    fn end(&mut self) -> Result<Vec<u8>, Error> {
        let Some(mut decoder) = self.decoder.take().filter(|_| self.has_begun) else { return Ok(Vec::new()) };
        decoder.try_finish().map_err(|error| corrupt(&error.to_string()))?;
        Ok(take(decoder.get_mut()))
    }

    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        while self.decoder.is_some() {
            let output = if !self.input.is_empty() {
                self.bite()?
            } else {
                match ready!(Pin::new(&mut self.body).poll_frame(cx)?) {
                    // Trailers are for nobody here.
                    Some(frame) => {
                        self.input = frame.into_data().unwrap_or_default();
                        continue;
                    }
                    None => self.end()?,
                }
            };
            if !output.is_empty() {
                return Poll::Ready(Some(Ok(output.into())));
            }
        }
        Poll::Ready(None)
    }
}

/// A body that breaks inside its gzip is one that was cut off: it can be asked for again.
fn corrupt(why: &str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("the body was cut off or damaged: its gzip cannot be read ({why})"),
    )
}

impl HttpBody for Gunzip {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.poll_output(cx).map(|output| output.map(|output| output.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.decoder.is_none()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures::StreamExt;
    use proptest::prelude::*;

    fn zipped(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn in_pieces(bytes: &[u8], size: usize) -> Body {
        let pieces: Vec<_> = bytes.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        Body::from_stream(futures::stream::iter(pieces))
    }

    async fn unzipped(bytes: &[u8], size: usize) -> Result<Bytes, Error> {
        Body::wrap(Gunzip::new(in_pieces(bytes, size))).collect(1 << 30).await
    }

    #[tokio::test]
    async fn one_or_more_members_become_one_text_however_they_are_cut() {
        let members = [zipped(b"one "), zipped(b""), zipped(b"two")].concat();
        for size in [1, 3, 10, 1000] {
            assert_eq!(unzipped(&members, size).await.unwrap(), "one two");
        }
        assert_eq!(unzipped(b"", 1).await.unwrap(), "");
    }

    #[tokio::test]
    async fn what_is_cut_or_damaged_is_a_body_that_was_cut_off() {
        let whole = zipped(b"a text of some length, and then some more of it");
        for end in 1..whole.len() {
            let error = unzipped(&whole[..end], 7).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{end}");
        }
        let mut damaged = whole.clone();
        damaged[20] ^= 0x55;
        let after = [&whole[..], b"trash"].concat();
        for bytes in [&b"{\"plain\":1}"[..], &damaged, &after] {
            assert_eq!(unzipped(bytes, 1000).await.unwrap_err().kind(), ErrorKind::Unavailable);
        }
    }

    #[tokio::test]
    async fn a_bomb_comes_out_in_small_pieces_and_stops_at_the_limit() {
        let bomb = Bytes::from(zipped(&vec![0; 16 * 1024 * 1024]));
        let body = || Body::wrap(Gunzip::new(Body::from_bytes(bomb.clone())));
        let error = body().collect(1024 * 1024).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let sizes: Vec<_> = body().into_stream().map(|piece| piece.unwrap().len()).collect().await;
        assert_eq!(sizes.iter().sum::<usize>(), 16 * 1024 * 1024);
        assert!(sizes.iter().all(|size| *size <= BITE * 1032 + 64 * 1024), "{:?}", sizes.iter().max());
    }

    #[tokio::test]
    async fn nothing_without_end_ends() {
        let empty = Bytes::from(zipped(b""));
        let endless = Body::from_stream(futures::stream::repeat_with(move || Ok(empty.clone())));
        let error = Body::wrap(Gunzip::new(endless)).collect(10).await.unwrap_err();
        assert!(error.to_string().contains("no text"), "{error}");
        let mut head = zipped(b"x")[..10].to_vec();
        head[3] = 8; // A file name follows, and never ends.
        let name = futures::stream::repeat_with(|| Ok(Bytes::from(vec![b'n'; 4096])));
        let endless = Body::from_stream(futures::stream::iter([Ok(Bytes::from(head))]).chain(name));
        Body::wrap(Gunzip::new(endless)).collect(10).await.unwrap_err();
    }

    #[test]
    fn gzip_is_asked_for_only_when_the_answer_is_read_whole() {
        let plain = || Request::get("/x");
        for (builder, whole, expected) in [
            (plain(), true, true),
            (plain(), false, false),
            (plain().header(ACCEPT_ENCODING, "identity"), true, false),
            (plain().header(RANGE, "bytes=0-1"), true, false),
            (plain().method("HEAD"), true, false),
            (plain().method("POST"), true, true),
        ] {
            let mut request = builder.body(Body::empty()).unwrap();
            assert_eq!(ask(&mut request, whole), expected);
            let says_gzip = request.headers().get(ACCEPT_ENCODING).is_some_and(|value| value == "gzip");
            assert_eq!(says_gzip, expected);
        }
    }

    #[tokio::test]
    async fn only_what_was_asked_for_and_is_gzip_is_decoded() {
        for (status, encodings, asked, expected) in [
            (200, &["gzip"][..], true, true),
            (200, &["X-GZIP"], true, true),
            (500, &["gzip"], true, true),
            (200, &["gzip"], false, false),
            (206, &["gzip"], true, false),
            (204, &["gzip"], true, false),
            (304, &["gzip"], true, false),
            (200, &[], true, false),
            (200, &["br"], true, false),
            (200, &["gzip, gzip"], true, false),
            (200, &["gzip", "gzip"], true, false),
            (200, &["identity"], true, false),
        ] {
            let mut builder = Response::builder().status(status).header(CONTENT_LENGTH, 7);
            for encoding in encodings {
                builder = builder.header(CONTENT_ENCODING, *encoding);
            }
            let answer = decoded(Box::new(builder.body(Body::from(zipped(b"text"))).unwrap()), asked);
            assert_eq!(answer.headers().contains_key(CONTENT_LENGTH), !expected, "{status} {encodings:?}");
            assert_eq!(answer.headers().contains_key(CONTENT_ENCODING), !expected && !encodings.is_empty());
            let body = answer.into_body().collect(100).await.unwrap();
            assert_eq!(body == "text", expected, "{status} {encodings:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back(data: Vec<u8>, size in 1_usize..50) {
            let got = futures::executor::block_on(unzipped(&zipped(&data), size)).unwrap();
            prop_assert_eq!(got, data);
        }

        #[test]
        fn no_bytes_are_too_strange(data: Vec<u8>, size in 1_usize..50) {
            let with_head = [&[0x1f, 0x8b, 8][..], &data].concat();
            for bytes in [&data, &with_head] {
                let _ = futures::executor::block_on(unzipped(bytes, size));
            }
        }
    }
}
