//! A file of this machine as a body.

use std::io;
use std::path::Path;

use bytes::{Bytes, BytesMut};
use databricks_transport::{Body, Error, ErrorKind};
use futures::stream::{self, Stream};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

/// Bytes read at once.
const READ: usize = 1 << 20;

/// The file's content, streamed. Its length is that of the time it was opened: a file that shrinks meanwhile ends the
/// body with an error, and what is added to it is left out.
pub(crate) async fn body_of(path: &Path) -> io::Result<Body> {
    let file = File::open(path).await?;
    let length = file.metadata().await?.len();
    Ok(Body::from_sized_stream(content(file, length), length))
}

fn content(file: File, length: u64) -> impl Stream<Item = Result<Bytes, Error>> + Send {
    stream::try_unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let wanted = usize::try_from(left).unwrap_or(READ).min(READ);
        let mut piece = BytesMut::zeroed(wanted);
        let read = file.read_exact(&mut piece).await;
        read.map_err(|error| {
            Error::new(ErrorKind::Invalid, format!("the file ended or broke off: {error}"))
        })?;
        Ok(Some((piece.freeze(), (file, left - wanted as u64))))
    })
}
