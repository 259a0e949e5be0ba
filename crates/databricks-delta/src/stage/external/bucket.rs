//! The objects below a path of a cloud's storage, as staged files.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use databricks_transport::{Body, ErrorKind};
use futures::stream::{self, FuturesUnordered, StreamExt, TryStreamExt};
use http_body::Body as _;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt};

use super::address::Address;
use super::credentials::Renew;
use super::failure::of_store;
use crate::error::{DeltaError, Result};
use crate::files::{DirectoryEntry, LARGEST_SINGLE, PART, Pieces};
use crate::stage::sweep::{ignore_missing, is_not_found, name_of};

/// Parts of one upload under way at once: so many are in memory.
const PARTS_AT_ONCE: usize = 3;
/// An upload has no more parts than this in any cloud.
const MOST_PARTS: u64 = 10_000;
/// How often new credentials are asked for when the storage refuses those at hand.
const NEW_CREDENTIALS: u32 = 1;
/// What S3 calls a token that is not valid any more; its status is that of any bad request.
const ENDED: &[&str] = &["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"];

/// The storage of an external path, opened.
pub(crate) struct Bucket {
    address: Address,
    store: Arc<dyn ObjectStore>,
    renew: Option<Arc<dyn Renew>>,
}

impl fmt::Debug for Bucket {
    // A store shows its credentials, in some clouds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Bucket {
    pub(super) fn new(address: Address, store: Arc<dyn ObjectStore>, renew: Option<Arc<dyn Renew>>) -> Self {
        Self { address, store, renew }
    }

    pub(crate) fn base(&self) -> String {
        self.address.base()
    }

    /// Writes an object: in one request up to 50 MiB, else in parts, of which nothing shows before the last.
    pub(crate) async fn put<F>(&self, path: &str, body: impl Fn() -> F + Send + Sync) -> Result<()>
    where
        F: Future<Output = Result<Body>> + Send,
    {
        let object = self.address.object(path)?;
        self.renewing(|| async { self.put_once(&object, body().await?).await }).await
    }

    async fn put_once(&self, object: &Path, body: Body) -> Result<()> {
        let length = body.size_hint().exact();
        if let Some(length) = length.filter(|length| *length <= LARGEST_SINGLE) {
            let content = body.collect(usize::try_from(length).unwrap_or(usize::MAX)).await?;
            return self.store.put(object, content.into()).await.map(drop).map_err(failed);
        }
        // All parts but the last have one size, as some services demand.
        let size =
            PART.max(usize::try_from(length.unwrap_or_default().div_ceil(MOST_PARTS)).unwrap_or(usize::MAX));
        let mut upload = self.store.put_multipart(object).await.map_err(failed)?;
        let made = match send_parts(upload.as_mut(), Pieces::of(body), size).await {
            Ok(bytes) => self.complete(upload.as_mut(), object, bytes).await,
            Err(error) => Err(error),
        };
        let refused = made.as_ref().is_err_and(is_refused);
        if made.is_err() {
            self.abort(upload.as_mut(), object, refused).await;
        }
        made
    }

    /// Makes the object of the parts, of so many bytes in all.
    async fn complete(&self, upload: &mut dyn MultipartUpload, object: &Path, bytes: u64) -> Result<()> {
        let made = upload.complete().await.map(drop).map_err(failed);
        let is_gone = made.as_ref().is_err_and(is_not_found);
        // An answer was lost and the request sent again: the upload is gone because it is the object by now.
        if is_gone && self.has(object, bytes).await { Ok(()) } else { made }
    }

    async fn has(&self, object: &Path, bytes: u64) -> bool {
        self.store.head(object).await.is_ok_and(|found| found.size == bytes)
    }

    /// With credentials that were refused it would be refused too.
    async fn abort(&self, upload: &mut dyn MultipartUpload, object: &Path, refused: bool) {
        if let Some(renew) = self.renew.as_ref().filter(|_| refused) {
            renew.renew();
        }
        if let Err(error) = upload.abort().await {
            let error = of_store(error);
            tracing::warn!(path = self.address.url(object), %error, "an unfinished upload could not be aborted");
        }
    }

    pub(crate) async fn read(&self, path: &str, limit: usize) -> Result<Bytes> {
        let object = self.address.object(path)?;
        self.renewing(|| async {
            let found = self.store.get(&object).await.map_err(failed)?;
            if found.meta.size > limit as u64 {
                let message =
                    format!("`{path}` has {} bytes, where {limit} at most are expected", found.meta.size);
                return Err(DeltaError::UnexpectedResult { statement: "reading a staged file", message });
            }
            found.bytes().await.map_err(failed)
        })
        .await
    }

    /// The objects of a directory, and the directories in it.
    pub(crate) async fn list(&self, directory: &str) -> Result<Vec<DirectoryEntry>> {
        let prefix = self.address.object(directory)?;
        let listed =
            self.renewing(|| async { self.store.list_with_delimiter(Some(&prefix)).await.map_err(failed) });
        let listed = listed.await?;
        let directories = listed.common_prefixes.iter().map(|path| self.directory(path));
        Ok(directories.chain(listed.objects.iter().map(|object| self.file(object))).collect())
    }

    /// The objects of a directory and of those in it.
    pub(crate) async fn tree(&self, directory: &str) -> Result<Vec<DirectoryEntry>> {
        let prefix = self.address.object(directory)?;
        let listed = self.renewing(|| async {
            self.store.list(Some(&prefix)).try_collect::<Vec<_>>().await.map_err(failed)
        });
        Ok(listed.await?.iter().map(|object| self.file(object)).collect())
    }

    /// Deletes objects. One that is not there is no error.
    pub(crate) async fn delete(&self, paths: Vec<String>) -> Result<()> {
        let objects: Vec<Path> = paths.iter().map(|path| self.address.object(path)).collect::<Result<_>>()?;
        self.renewing(|| async {
            let objects = stream::iter(objects.clone()).map(Ok).boxed();
            let mut deleted = self.store.delete_stream(objects);
            while let Some(one) = deleted.next().await {
                ignore_missing(one.map(drop).map_err(failed))?;
            }
            Ok(())
        })
        .await
    }

    /// Runs something, and once more with new credentials when the storage refuses those at hand: they may have been
    /// taken back, or the clocks differ.
    async fn renewing<T, F>(&self, run: impl Fn() -> F + Send + Sync) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send,
    {
        let mut renewed = 0;
        loop {
            match (run().await, &self.renew) {
                (Err(error), Some(renew)) if is_refused(&error) && renewed < NEW_CREDENTIALS => {
                    renewed += 1;
                    renew.renew();
                }
                (done, _) => return done,
            }
        }
    }

    fn file(&self, object: &ObjectMeta) -> DirectoryEntry {
        DirectoryEntry {
            is_directory: false,
            file_size: Some(object.size),
            last_modified: Some(object.last_modified),
            ..self.directory(&object.location)
        }
    }

    fn directory(&self, path: &Path) -> DirectoryEntry {
        let path = self.address.url(path);
        let name = name_of(&path).to_owned();
        DirectoryEntry { path, name, is_directory: true, file_size: None, last_modified: None }
    }
}

/// Sends pieces of a size, a few at a time; gives the number of bytes.
async fn send_parts(upload: &mut dyn MultipartUpload, mut pieces: Pieces, size: usize) -> Result<u64> {
    let mut under_way = FuturesUnordered::new();
    let mut bytes = 0;
    loop {
        let piece = pieces.next(size).await?;
        if piece.is_empty() {
            break;
        }
        if under_way.len() >= PARTS_AT_ONCE {
            under_way.next().await.transpose().map_err(failed)?;
        }
        bytes += piece.len() as u64;
        under_way.push(upload.put_part(piece.into()));
    }
    while let Some(sent) = under_way.next().await {
        sent.map_err(failed)?;
    }
    Ok(bytes)
}

fn is_refused(error: &DeltaError) -> bool {
    let DeltaError::Transport(error) = error else { return false };
    let code = error.api_error().and_then(|api| api.error_code.as_deref());
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Auth)
        || code.is_some_and(|code| ENDED.contains(&code))
}

fn failed(error: object_store::Error) -> DeltaError {
    of_store(error).into()
}
