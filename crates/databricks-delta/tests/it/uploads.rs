//! Large uploads: in parts or by one URL, whole or not at all.

use bytes::Bytes;
use databricks_delta::DeltaError;
use databricks_testkit::{Fault, FaultRule, Origin, UploadProtocol};
use databricks_transport::{Body, Error, ErrorKind};
use futures::stream;
use http::{Method, StatusCode};

use crate::support::World;

const PATH: &str = "/Volumes/main/default/big/file.bin";
const API: &str = "/api/2.0/fs/files/Volumes/main/default/big/";

async fn world(protocol: UploadProtocol) -> World {
    let world = World::with(None, protocol);
    world.volume("big", &[]).await;
    world
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 1_000 + at % 251) as u8).collect()
}

/// The content as a stream whose length is not known, in pieces that are no parts.
fn streamed(content: &[u8]) -> Body {
    let pieces: Vec<Result<Bytes, Error>> =
        content.chunks(999_983).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    Body::from_stream(stream::iter(pieces))
}

fn to_storage(world: &World, method: &Method) -> usize {
    let records = world.workspace.requests().into_iter();
    records.filter(|record| record.origin == Origin::Storage && record.method == *method).count()
}

#[tokio::test]
async fn a_stream_of_any_length_goes_up_in_parts_and_is_whole() {
    for (protocol, length, parts) in [
        (UploadProtocol::Multipart, 25 << 20, 3),
        (UploadProtocol::Multipart, 20 << 20, 2),
        (UploadProtocol::Resumable, (20 << 20) + 7, 3),
        (UploadProtocol::Resumable, 20 << 20, 2),
        // Ten MiB are one request.
        (UploadProtocol::Multipart, 10 << 20, 0),
        (UploadProtocol::Multipart, 0, 0),
    ] {
        let world = world(protocol).await;
        let content = content(length);
        world.delta.files().unwrap().upload(PATH, streamed(&content)).send().await.unwrap();
        assert_eq!(world.content(PATH), Some(content), "{protocol:?} {length}");
        assert_eq!(to_storage(&world, &Method::PUT), parts, "{protocol:?} {length}");
        assert_eq!(world.requests(Method::PUT, API).len(), usize::from(parts == 0));
    }
}

#[tokio::test]
async fn content_in_memory_goes_up_in_parts_beyond_fifty_mebibytes() {
    for (length, parts) in [(50 << 20, 0), ((50 << 20) + 1, 6)] {
        let world = world(UploadProtocol::Multipart).await;
        let content = content(length);
        world.delta.files().unwrap().upload(PATH, content.clone()).send().await.unwrap();
        assert_eq!(to_storage(&world, &Method::PUT), parts);
        assert!(world.content(PATH) == Some(content));
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_that_fails_is_sent_again_and_an_expired_url_is_renewed() {
    for protocol in [UploadProtocol::Multipart, UploadProtocol::Resumable] {
        for fault in [
            Fault::ResetBefore,
            Fault::ResetAfter,
            Fault::status(StatusCode::SERVICE_UNAVAILABLE),
            Fault::status(StatusCode::FORBIDDEN),
        ] {
            let world = world(protocol).await;
            let content = content(25 << 20);
            world.workspace.faults().add(FaultRule::on_origin(Origin::Storage, fault.clone()).nth(2));
            let sent = world.delta.files().unwrap().upload(PATH, streamed(&content)).send().await;
            assert!(sent.is_ok(), "{protocol:?} {fault}: {sent:?}");
            assert!(world.content(PATH) == Some(content), "{protocol:?} {fault}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_fails_is_aborted_and_leaves_the_file_that_was_there() {
    for protocol in [UploadProtocol::Multipart, UploadProtocol::Resumable] {
        let world = world(protocol).await;
        let files = world.delta.files().unwrap();
        files.upload(PATH, "before").send().await.unwrap();
        let broken = Error::new(ErrorKind::Invalid, "line 7 is torn");
        let pieces = [Ok(Bytes::from(content(21 << 20))), Err(broken)];
        let upload = files.upload(PATH, Body::from_stream(stream::iter(pieces))).overwrite();
        let error = upload.send().await.unwrap_err();
        assert!(
            matches!(&error, DeltaError::Transport(error) if error.to_string().contains("torn")),
            "{error}"
        );
        assert_eq!(world.content(PATH), Some(b"before".to_vec()));
        assert_eq!(to_storage(&world, &Method::DELETE), 1, "{protocol:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_there_is_refused_before_its_bytes_are_sent() {
    let world = world(UploadProtocol::Multipart).await;
    let files = world.delta.files().unwrap();
    files.upload(PATH, "before").send().await.unwrap();
    let error = files.upload(PATH, streamed(&content(21 << 20))).send().await.unwrap_err();
    assert!(
        matches!(&error, DeltaError::Transport(error) if error.kind() == ErrorKind::AlreadyExists),
        "{error:?}"
    );
    assert_eq!(to_storage(&world, &Method::PUT), 0);
}

#[tokio::test(start_paused = true)]
async fn a_workspace_that_signs_no_urls_takes_a_large_stream_in_one_request() {
    let world = world(UploadProtocol::Multipart).await;
    let refused =
        Fault::status(StatusCode::FORBIDDEN).with_error("PERMISSION_DENIED", "Signed URLs are off.");
    world.fail(Method::POST, API, refused);
    let content = content(25 << 20);
    world.delta.files().unwrap().upload(PATH, streamed(&content)).send().await.unwrap();
    assert!(world.content(PATH) == Some(content));
    assert_eq!((to_storage(&world, &Method::PUT), world.requests(Method::PUT, API).len()), (0, 1));
}
