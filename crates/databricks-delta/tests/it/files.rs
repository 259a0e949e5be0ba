//! Files in volumes.

use databricks_delta::DeltaError;
use databricks_transport::ErrorKind;
use futures::TryStreamExt;

use crate::support::World;

fn kind(error: &DeltaError) -> Option<ErrorKind> {
    match error {
        DeltaError::Transport(error) => Some(error.kind()),
        _ => None,
    }
}

async fn world_with_volume() -> World {
    let world = World::new();
    world.engine.on_containing("COPY INTO").affected(1);
    world.delta.write_batch("days", &crate::support::days(1)).send().await.unwrap();
    world
}

#[tokio::test]
async fn a_file_comes_back_as_it_was_uploaded() {
    let world = world_with_volume().await;
    let files = world.delta.files().unwrap();
    let path = "/Volumes/main/default/_staging/d 1/#ü%.bin";
    files.upload(path, vec![0u8, 255, 10]).send().await.unwrap();
    assert_eq!(&files.download(path).await.unwrap().collect(10).await.unwrap()[..], [0, 255, 10]);
    let error = files.upload(path, "x").send().await.unwrap_err();
    assert_eq!(kind(&error), Some(ErrorKind::AlreadyExists), "{error:?}");
    files.upload(path, "new").overwrite().send().await.unwrap();
    assert_eq!(&files.download(path).await.unwrap().collect(10).await.unwrap()[..], b"new");
    files.delete_file(path).await.unwrap();
    let error = files.download(path).await.unwrap_err();
    assert_eq!(kind(&error), Some(ErrorKind::NotFound), "{error:?}");
}

#[tokio::test]
async fn a_directory_is_made_listed_and_removed() {
    let world = world_with_volume().await;
    let files = world.delta.files().unwrap();
    let directory = "/Volumes/main/default/_staging/a/b";
    files.create_directory(directory).await.unwrap();
    for name in ["x", "y"] {
        files.upload(format!("{directory}/{name}"), name).send().await.unwrap();
    }
    let entries: Vec<_> = files.list_directory(directory).try_collect().await.unwrap();
    let names: Vec<_> =
        entries.iter().map(|entry| (entry.name.as_str(), entry.is_directory, entry.file_size)).collect();
    assert_eq!(names, [("x", false, Some(1)), ("y", false, Some(1))]);
    assert!(files.delete_directory(directory).await.is_err());
    for entry in entries {
        files.delete_file(&entry.path).await.unwrap();
    }
    files.delete_directory(directory).await.unwrap();
    let error = files.list_directory(directory).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(kind(&error), Some(ErrorKind::NotFound), "{error:?}");
}

#[tokio::test]
async fn a_part_of_a_file_can_be_read_and_its_length_asked_for() {
    let world = world_with_volume().await;
    let files = world.delta.files().unwrap();
    let path = "/Volumes/main/default/_staging/x";
    files.upload(path, "0123456789").send().await.unwrap();
    let metadata = files.metadata(path).await.unwrap();
    assert_eq!(metadata.size, 10);
    assert!(metadata.last_modified.is_some());
    for (start, length, expected) in [(0, 3, "012"), (7, 100, "789"), (4, 1, "4"), (4, 0, "")] {
        let body = files.download_range(path, start, length).await.unwrap();
        assert_eq!(&body.collect(100).await.unwrap()[..], expected.as_bytes(), "{start} {length}");
    }
    let error = files.metadata("/Volumes/main/default/_staging/no").await.unwrap_err();
    assert_eq!(kind(&error), Some(ErrorKind::NotFound), "{error:?}");
    assert!(files.download_range(path, 10, 1).await.is_err());
}
