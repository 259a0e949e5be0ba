//! Volumes in memory, with a quota for tests of a full store.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures::future::{self, BoxFuture};
use futures::{FutureExt, StreamExt, stream};

use super::memory_catalog::MemoryCatalogStore;
use super::path::VolumePath;
use super::volumes::{
    ByteStream, DirectoryEntry, DirectoryPage, FileContent, FileMetadata, PageRequest, VolumeError,
    VolumeStore,
};
use crate::clock::Clock;

/// Pieces in which a file is streamed out.
const PIECE: usize = 64 * 1024;

/// A [`VolumeStore`] in memory, for the volumes of a [`MemoryCatalogStore`]. Clones share their files.
///
/// Dropping a volume drops its files. With a quota, an upload that does not fit fails and leaves nothing behind.
#[derive(Clone, Debug)]
pub struct MemoryVolumeStore {
    catalog: MemoryCatalogStore,
    quota: Option<u64>,
    volumes: Arc<Mutex<HashMap<u64, Tree>>>,
    clock: Clock,
}

/// Everything in one volume, by the segments of its path. Directories have no content.
#[derive(Debug, Default)]
struct Tree {
    entries: BTreeMap<Vec<String>, Node>,
}

#[derive(Clone, Debug)]
struct Node {
    content: Option<Bytes>,
    modified: DateTime<Utc>,
}

impl MemoryVolumeStore {
    /// An empty store over the volumes of a catalog.
    pub fn new(catalog: MemoryCatalogStore) -> Self {
        Self { catalog, quota: None, volumes: Arc::default(), clock: Clock::system() }
    }

    /// Dates changes by another clock than the system's calendar.
    pub(crate) fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// What time it is in the store now; from then on its time is tokio's. Default: the system's calendar.
    ///
    /// A workspace's own default store has the workspace's clock already.
    #[must_use]
    pub fn starting_at(self, start: DateTime<Utc>) -> Self {
        self.with_clock(Clock::starting_at(start))
    }

    /// Limits the bytes of all files together.
    #[must_use]
    pub fn with_quota(mut self, bytes: u64) -> Self {
        self.quota = Some(bytes);
        self
    }

    /// Bytes of all files together.
    pub fn used_bytes(&self) -> u64 {
        self.used(&self.lock())
    }

    /// The content of a file, for tests that look behind the API.
    pub fn content(&self, path: &VolumePath) -> Option<Bytes> {
        self.with_tree(path, |tree| tree.entries.get(path.segments())?.content.clone()).ok().flatten()
    }

    fn number(&self, path: &VolumePath) -> Result<u64, VolumeError> {
        let missing =
            || VolumeError::VolumeNotFound(format!("{}.{}.{}", path.catalog(), path.schema(), path.volume()));
        self.catalog.volume_number(path.catalog(), path.schema(), path.volume()).ok_or_else(missing)
    }

    /// Runs `f` on the volume of a path.
    fn with_tree<T>(&self, path: &VolumePath, f: impl FnOnce(&mut Tree) -> T) -> Result<T, VolumeError> {
        let number = self.number(path)?;
        Ok(f(self.lock().entry(number).or_default()))
    }

    fn used(&self, volumes: &HashMap<u64, Tree>) -> u64 {
        let live = self.catalog.volume_numbers();
        volumes.iter().filter(|(number, _)| live.contains(number)).map(|(_, tree)| tree.bytes()).sum()
    }

    /// Fails when `extra` bytes more than what `path` holds now would pass the quota.
    fn check_quota(
        &self,
        volumes: &HashMap<u64, Tree>,
        path: &VolumePath,
        replaced: u64,
        extra: u64,
    ) -> Result<(), VolumeError> {
        let Some(quota) = self.quota else { return Ok(()) };
        let used = self.used(volumes).saturating_sub(replaced);
        if used.saturating_add(extra) <= quota {
            return Ok(());
        }
        let detail = format!("the store holds {used} of {quota} bytes, and {extra} more were sent");
        Err(VolumeError::StorageFull { path: path.clone(), detail })
    }

    /// Collects an upload, stopping as soon as it cannot be stored.
    async fn receive(
        &self,
        path: &VolumePath,
        mut content: ByteStream,
        overwrite: bool,
    ) -> Result<Bytes, VolumeError> {
        let mut received = BytesMut::new();
        self.check_room(path, 0, overwrite)?;
        while let Some(piece) = content.next().await {
            let interrupted = |error: Box<dyn std::error::Error + Send + Sync>| {
                VolumeError::UploadInterrupted { path: path.clone(), detail: error.to_string() }
            };
            received.extend_from_slice(&piece.map_err(interrupted)?);
            self.check_room(path, received.len() as u64, overwrite)?;
        }
        Ok(received.freeze())
    }

    fn check_room(&self, path: &VolumePath, size: u64, overwrite: bool) -> Result<(), VolumeError> {
        let number = self.number(path)?;
        let mut volumes = self.lock();
        let replaced = volumes.entry(number).or_default().check_writable(path, overwrite)?;
        self.check_quota(&volumes, path, replaced, size)
    }

    fn commit(&self, path: &VolumePath, content: Bytes, overwrite: bool) -> Result<(), VolumeError> {
        let number = self.number(path)?;
        let live = self.catalog.volume_numbers();
        let mut volumes = self.lock();
        volumes.retain(|number, _| live.contains(number));
        let replaced = volumes.entry(number).or_default().check_writable(path, overwrite)?;
        self.check_quota(&volumes, path, replaced, content.len() as u64)?;
        let tree = volumes.entry(number).or_default();
        let modified = self.clock.now();
        tree.make_parents(path, modified)?;
        tree.entries.insert(path.segments().to_vec(), Node { content: Some(content), modified });
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Tree>> {
        self.volumes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    fn directory(modified: DateTime<Utc>) -> Self {
        Self { content: None, modified }
    }

    fn metadata(&self) -> Option<FileMetadata> {
        let size = self.content.as_ref()?.len() as u64;
        Some(FileMetadata { size, modified: self.modified })
    }
}

impl Tree {
    fn bytes(&self) -> u64 {
        self.entries.values().filter_map(|node| Some(node.content.as_ref()?.len() as u64)).sum()
    }

    fn is_directory(&self, path: &VolumePath) -> bool {
        path.is_root() || self.entries.get(path.segments()).is_some_and(|node| node.content.is_none())
    }

    /// Fails where a file may not go; gives the size of the file that would be replaced.
    fn check_writable(&self, path: &VolumePath, overwrite: bool) -> Result<u64, VolumeError> {
        if self.is_directory(path) {
            return Err(VolumeError::AlreadyExists(path.clone()));
        }
        let existing = self.entries.get(path.segments()).and_then(Node::metadata);
        match existing {
            Some(_) if !overwrite => Err(VolumeError::AlreadyExists(path.clone())),
            existing => Ok(existing.map_or(0, |file| file.size)),
        }
    }

    /// Makes the directories above a path.
    fn make_parents(&mut self, path: &VolumePath, now: DateTime<Utc>) -> Result<(), VolumeError> {
        self.make_directories(path, path.segments().len().saturating_sub(1), now)
    }

    /// Makes a directory and those above it.
    fn make_directory(&mut self, path: &VolumePath, now: DateTime<Utc>) -> Result<(), VolumeError> {
        self.make_directories(path, path.segments().len(), now)
    }

    /// Makes the directories named by the first segments of a path, all of them or, where one is a file, none.
    fn make_directories(
        &mut self,
        path: &VolumePath,
        depth: usize,
        now: DateTime<Utc>,
    ) -> Result<(), VolumeError> {
        let prefixes = || (1..=depth).filter_map(|depth| path.segments().get(..depth));
        let is_file =
            |prefix: &&[String]| self.entries.get(*prefix).is_some_and(|node| node.content.is_some());
        if let Some(file) = prefixes().find(is_file) {
            return Err(VolumeError::NotADirectory(path.prefix(file.len())));
        }
        for prefix in prefixes() {
            if !self.entries.contains_key(prefix) {
                self.entries.insert(prefix.to_vec(), Node::directory(now));
            }
        }
        Ok(())
    }

    fn file(&self, path: &VolumePath) -> Result<(FileMetadata, Bytes), VolumeError> {
        let node = self.entries.get(path.segments());
        let file = node.and_then(|node| Some((node.metadata()?, node.content.clone()?)));
        file.ok_or_else(|| VolumeError::FileNotFound(path.clone()))
    }

    fn check_directory(&self, path: &VolumePath) -> Result<(), VolumeError> {
        if self.is_directory(path) { Ok(()) } else { Err(VolumeError::DirectoryNotFound(path.clone())) }
    }

    /// The entries right below a directory whose names sort after `after`, in order of their names.
    fn children<'a>(
        &'a self,
        path: &VolumePath,
        after: Option<&str>,
    ) -> impl Iterator<Item = (&'a str, &'a Node)> {
        let parent = path.segments().to_vec();
        let mut begin = parent.clone();
        begin.extend(after.map(str::to_owned));
        // Everything below a directory sorts right after it.
        let below = self.entries.range((Bound::Excluded(begin), Bound::Unbounded));
        let depth = parent.len();
        let below = below.take_while(move |(segments, _)| segments.starts_with(&parent));
        below.filter_map(move |(segments, node)| match segments.get(depth) {
            Some(name) if segments.len() == depth + 1 => Some((name.as_str(), node)),
            _ => None,
        })
    }

    fn remove_directory(&mut self, path: &VolumePath) -> Result<(), VolumeError> {
        self.check_directory(path)?;
        if path.is_root() {
            let reason = "a volume's root goes with the volume".to_owned();
            return Err(VolumeError::Invalid { path: path.clone(), reason });
        }
        if self.children(path, None).next().is_some() {
            return Err(VolumeError::DirectoryNotEmpty(path.clone()));
        }
        self.entries.remove(path.segments());
        Ok(())
    }

    fn list(&self, path: &VolumePath, page: &PageRequest) -> Result<DirectoryPage, VolumeError> {
        self.check_directory(path)?;
        let mut rest = self.children(path, page.after.as_deref());
        let entries = rest.by_ref().take(page.size).map(|(name, node)| DirectoryEntry {
            name: name.to_owned(),
            file: node.metadata(),
            modified: node.modified,
        });
        Ok(DirectoryPage { entries: entries.collect(), more: rest.next().is_some() })
    }
}

impl VolumeStore for MemoryVolumeStore {
    fn put(
        &self,
        path: VolumePath,
        content: ByteStream,
        overwrite: bool,
    ) -> BoxFuture<'_, Result<(), VolumeError>> {
        async move {
            let content = self.receive(&path, content, overwrite).await?;
            self.commit(&path, content, overwrite)
        }
        .boxed()
    }

    fn get(&self, path: VolumePath) -> BoxFuture<'_, Result<FileContent, VolumeError>> {
        let file = self.with_tree(&path, |tree| tree.file(&path)).and_then(|file| file);
        future::ready(file.map(|(metadata, bytes)| FileContent { metadata, content: in_pieces(bytes) }))
            .boxed()
    }

    fn get_range(
        &self,
        path: VolumePath,
        start: u64,
        length: u64,
    ) -> BoxFuture<'_, Result<FileContent, VolumeError>> {
        let file = self.with_tree(&path, |tree| tree.file(&path)).and_then(|file| file);
        let part = file.map(|(metadata, mut bytes)| {
            let index = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
            let (from, to) = (index(start), index(start.saturating_add(length)));
            bytes.truncate(to);
            FileContent { metadata, content: in_pieces(bytes.split_off(from)) }
        });
        future::ready(part).boxed()
    }

    fn head(&self, path: VolumePath) -> BoxFuture<'_, Result<FileMetadata, VolumeError>> {
        let file = self.with_tree(&path, |tree| tree.file(&path)).and_then(|file| file);
        future::ready(file.map(|(metadata, _)| metadata)).boxed()
    }

    fn delete(&self, path: VolumePath) -> BoxFuture<'_, Result<(), VolumeError>> {
        let removed = self.with_tree(&path, |tree| {
            tree.file(&path)?;
            tree.entries.remove(path.segments());
            Ok(())
        });
        future::ready(removed.and_then(|removed| removed)).boxed()
    }

    fn create_directory(&self, path: VolumePath) -> BoxFuture<'_, Result<(), VolumeError>> {
        let now = self.clock.now();
        let made = self.with_tree(&path, |tree| tree.make_directory(&path, now));
        future::ready(made.and_then(|made| made)).boxed()
    }

    fn delete_directory(&self, path: VolumePath) -> BoxFuture<'_, Result<(), VolumeError>> {
        let removed = self.with_tree(&path, |tree| tree.remove_directory(&path));
        future::ready(removed.and_then(|removed| removed)).boxed()
    }

    fn head_directory(&self, path: VolumePath) -> BoxFuture<'_, Result<(), VolumeError>> {
        let found = self.with_tree(&path, |tree| tree.check_directory(&path));
        future::ready(found.and_then(|found| found)).boxed()
    }

    fn list(&self, path: VolumePath, page: PageRequest) -> BoxFuture<'_, Result<DirectoryPage, VolumeError>> {
        let listed = self.with_tree(&path, |tree| tree.list(&path, &page));
        future::ready(listed.and_then(|listed| listed)).boxed()
    }
}

/// The bytes as a stream of small pieces, as a network gives them.
fn in_pieces(mut bytes: Bytes) -> ByteStream {
    let pieces = std::iter::from_fn(move || {
        let size = bytes.len().min(PIECE);
        (size > 0).then(|| Ok(bytes.split_to(size)))
    });
    stream::iter(pieces).boxed()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn store() -> MemoryVolumeStore {
        MemoryVolumeStore::new(MemoryCatalogStore::new().with_volume("main", "default", "v"))
    }

    fn path(rest: &str) -> VolumePath {
        VolumePath::parse(&format!("/Volumes/main/default/v{rest}")).unwrap()
    }

    fn content(text: &'static str) -> ByteStream {
        stream::iter(text.as_bytes().chunks(2).map(|piece| Ok(Bytes::from_static(piece)))).boxed()
    }

    async fn names(
        store: &MemoryVolumeStore,
        at: &str,
        after: Option<&str>,
        size: usize,
    ) -> (Vec<String>, bool) {
        let page = PageRequest { after: after.map(str::to_owned), size };
        let page = store.list(path(at), page).await.unwrap();
        (page.entries.into_iter().map(|entry| entry.name).collect(), page.more)
    }

    #[tokio::test]
    async fn an_upload_makes_its_directories_and_reads_back() {
        let store = store();
        store.put(path("/a/b/file"), content("hello"), false).await.unwrap();
        store.head_directory(path("/a/b")).await.unwrap();
        let file = store.get(path("/a/b/file")).await.unwrap();
        assert_eq!(file.metadata.size, 5);
        let read: Vec<Bytes> = file.content.map(Result::unwrap).collect().await;
        assert_eq!(read.concat(), b"hello");
    }

    #[tokio::test]
    async fn a_file_is_replaced_only_when_asked() {
        let store = store();
        store.put(path("/f"), content("one"), false).await.unwrap();
        let refused = store.put(path("/f"), content("two"), false).await;
        assert!(matches!(refused, Err(VolumeError::AlreadyExists(_))));
        assert_eq!(store.content(&path("/f")).unwrap(), "one");
        store.put(path("/f"), content("two"), true).await.unwrap();
        assert_eq!(store.content(&path("/f")).unwrap(), "two");
    }

    #[tokio::test]
    async fn an_upload_past_the_quota_leaves_the_old_file() {
        let store = store().with_quota(6);
        store.put(path("/f"), content("1234"), false).await.unwrap();
        let full = store.put(path("/g"), content("123"), false).await.unwrap_err();
        assert!(matches!(&full, VolumeError::StorageFull { .. }), "{full}");
        assert!(full.to_string().contains("/Volumes/main/default/v/g"));
        assert!(store.put(path("/f"), content("1234567"), true).await.is_err());
        assert_eq!(store.content(&path("/f")).unwrap(), "1234");
        store.put(path("/f"), content("123456"), true).await.unwrap();
        assert_eq!(store.used_bytes(), 6);
    }

    #[tokio::test]
    async fn an_interrupted_upload_leaves_nothing() {
        let store = store();
        let broken = stream::iter([Ok(Bytes::from_static(b"half")), Err("gone".into())]).boxed();
        let error = store.put(path("/d/f"), broken, false).await.unwrap_err();
        assert!(matches!(error, VolumeError::UploadInterrupted { .. }));
        assert_eq!(store.used_bytes(), 0);
        assert!(store.head_directory(path("/d")).await.is_err());
    }

    #[tokio::test]
    async fn listings_hold_only_direct_entries_and_come_in_pages() {
        let store = store();
        for name in ["/d/b", "/d/a", "/d/c/deep", "/other"] {
            store.put(path(name), content("x"), false).await.unwrap();
        }
        assert_eq!(names(&store, "/d", None, 2).await, (vec!["a".to_owned(), "b".to_owned()], true));
        assert_eq!(names(&store, "/d", Some("b"), 2).await, (vec!["c".to_owned()], false));
        assert!(matches!(store.delete_directory(path("/d")).await, Err(VolumeError::DirectoryNotEmpty(_))));
        assert!(matches!(store.create_directory(path("/d/a/x")).await, Err(VolumeError::NotADirectory(_))));
    }

    #[tokio::test]
    async fn directories_are_made_all_or_none_and_as_deep_as_a_path_goes() {
        let store = store();
        store.put(path("/a/file"), content("x"), false).await.unwrap();
        let below = store.create_directory(path("/a/file/b/c")).await.unwrap_err();
        assert!(matches!(&below, VolumeError::NotADirectory(at) if *at == path("/a/file")), "{below}");
        assert_eq!(names(&store, "/a", None, 9).await.0, ["file"]);
        let deep = path(&"/d".repeat(VolumePath::MAX_SEGMENTS));
        store.create_directory(deep.clone()).await.unwrap();
        store.head_directory(deep.parent().unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn a_dropped_volume_takes_its_files_along() {
        let store = store();
        store.put(path("/f"), content("x"), false).await.unwrap();
        crate::stores::CatalogStore::delete_volume(&store.catalog, "main", "default", "v").await.unwrap();
        assert!(matches!(store.head(path("/f")).await, Err(VolumeError::VolumeNotFound(_))));
        let _again = store.catalog.clone().with_volume("main", "default", "v");
        assert!(matches!(store.head(path("/f")).await, Err(VolumeError::FileNotFound(_))));
        assert_eq!(store.used_bytes(), 0);
    }

    proptest! {
        #[test]
        fn pages_of_any_size_hold_every_direct_entry_once(
            files in proptest::collection::vec(proptest::collection::vec("[a!-]{1,2}", 1..4), 0..12),
            size in 1usize..4,
        ) {
            let mut tree = Tree::default();
            for file in &files {
                let file = path(&format!("/{}", file.join("/")));
                // A name may be taken by a directory or a file above; what fits is kept.
                if tree.make_parents(&file, Utc::now()).is_ok() && tree.check_writable(&file, true).is_ok() {
                    let node = Node { content: Some(Bytes::new()), modified: Utc::now() };
                    tree.entries.insert(file.segments().to_vec(), node);
                }
            }
            for directory in ["", "/a", "/a/a", "/!"] {
                let directory = path(directory);
                let depth = directory.segments().len();
                let expected: BTreeSet<String> = tree.entries.keys()
                    .filter(|name| name.len() == depth + 1 && name.starts_with(directory.segments()))
                    .map(|name| name[depth].clone())
                    .collect();
                let (mut names, mut after) = (Vec::new(), None);
                while let Ok(page) = tree.list(&directory, &PageRequest { after: after.clone(), size }) {
                    names.extend(page.entries.into_iter().map(|entry| entry.name));
                    after = names.last().cloned();
                    if !page.more {
                        break;
                    }
                }
                prop_assert_eq!(names, expected.into_iter().collect::<Vec<_>>());
            }
        }
    }
}
