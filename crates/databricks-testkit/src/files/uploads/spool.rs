//! Bytes on their way into a volume, kept in a temporary file: memory stays flat whatever their number.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use tempfile::TempPath;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, SeekFrom};
use tokio_util::io::ReaderStream;

use crate::stores::ByteStream;

/// Bytes read from the file at a time.
const READ_BYTES: usize = 256 * 1024;

/// A temporary file that grows. It holds no open handle between calls, so thousands may exist, and is removed with
/// the last reader.
#[derive(Debug)]
pub(super) struct Spool {
    directory: PathBuf,
    path: Option<Arc<TempPath>>,
    size: u64,
}

/// Why bytes were not kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpoolError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the upload ended early: {0}")]
    Interrupted(String),
}

impl Spool {
    /// An empty one; the file comes with the first byte.
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, path: None, size: 0 }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Appends a stream, showing each piece to `seen`. What came before an interruption is kept; a call that is
    /// dropped keeps nothing.
    pub(super) async fn append(
        &mut self,
        mut content: ByteStream,
        mut seen: impl FnMut(&[u8]) + Send,
    ) -> Result<(), SpoolError> {
        let mut file = self.open().await?;
        let mut size = self.size;
        let mut end = Ok(());
        while let Some(piece) = content.next().await {
            match piece {
                Ok(bytes) => {
                    seen(&bytes);
                    file.write_all(&bytes).await?;
                    size += bytes.len() as u64;
                }
                Err(error) => {
                    end = Err(SpoolError::Interrupted(error.to_string()));
                    break;
                }
            }
        }
        file.flush().await?;
        self.size = size;
        end
    }

    /// Forgets what is past a size.
    pub(super) fn truncate(&mut self, size: u64) {
        self.size = self.size.min(size);
    }

    /// The bytes so far.
    pub(super) fn stream(&self) -> ByteStream {
        let Some(path) = self.path.clone() else { return stream::empty().boxed() };
        let size = self.size;
        let opened = async move {
            let file = File::open(path.as_ref()).await?;
            // The path lives as long as what is read from it.
            let pieces = ReaderStream::with_capacity(file.take(size), READ_BYTES);
            Ok::<_, io::Error>(pieces.inspect_ok(move |_| {
                let _held = &path;
            }))
        };
        stream::once(opened).try_flatten().map_err(Into::into).boxed()
    }

    /// The file, at its end.
    async fn open(&mut self) -> Result<File, SpoolError> {
        let path = match &self.path {
            Some(path) => path.clone(),
            None => self.path.insert(Arc::new(create(self.directory.clone()).await?)).clone(),
        };
        let mut file = OpenOptions::new().write(true).open(path.as_ref()).await?;
        file.set_len(self.size).await?;
        file.seek(SeekFrom::Start(self.size)).await?;
        Ok(file)
    }
}

async fn create(directory: PathBuf) -> io::Result<TempPath> {
    let create = move || {
        let file = tempfile::Builder::new().prefix("databricks-testkit-").tempfile_in(&directory);
        file.map(tempfile::NamedTempFile::into_temp_path).map_err(|error| {
            io::Error::new(error.kind(), format!("no temporary file in {}: {error}", directory.display()))
        })
    };
    tokio::task::spawn_blocking(create).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use bytes::Bytes;

    fn content(pieces: &[&'static str]) -> ByteStream {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect();
        stream::iter(pieces).boxed()
    }

    async fn text(spool: &Spool) -> String {
        let pieces: Vec<Bytes> = spool.stream().try_collect().await.unwrap();
        String::from_utf8(pieces.concat()).unwrap()
    }

    #[tokio::test]
    async fn what_is_appended_is_read_and_what_is_cut_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(directory.path().to_owned());
        assert_eq!(text(&spool).await, "");
        let mut seen = Vec::new();
        spool.append(content(&["abc", "def"]), |bytes| seen.extend_from_slice(bytes)).await.unwrap();
        assert_eq!((seen.as_slice(), spool.size()), (&b"abcdef"[..], 6));
        spool.truncate(4);
        assert_eq!(text(&spool).await, "abcd");
        spool.append(content(&["X"]), |_| ()).await.unwrap();
        assert_eq!(text(&spool).await, "abcdX");
        drop(spool);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_reader_outlives_the_spool() {
        let mut spool = Spool::new(std::env::temp_dir());
        spool.append(content(&["abc"]), |_| ()).await.unwrap();
        let stream = spool.stream();
        drop(spool);
        let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
        assert_eq!(pieces.concat(), b"abc");
    }

    #[tokio::test]
    async fn an_interruption_keeps_what_came_before() {
        let mut spool = Spool::new(std::env::temp_dir());
        let broken = stream::iter([Ok(Bytes::from_static(b"ab")), Err("reset".into())]).boxed();
        let error = spool.append(broken, |_| ()).await.unwrap_err();
        assert!(matches!(&error, SpoolError::Interrupted(detail) if detail == "reset"), "{error}");
        assert_eq!(text(&spool).await, "ab");
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_named() {
        let mut spool = Spool::new(PathBuf::from("/no/such/folder"));
        let error = spool.append(content(&["a"]), |_| ()).await.unwrap_err();
        assert!(error.to_string().contains("/no/such/folder"), "{error}");
    }
}
