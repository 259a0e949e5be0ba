//! The bytes of a text file: counted as they come from disk, decompressed, without the mark that UTF-8 may begin with.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use super::error::SourceError;
use super::walk::Found;

const GZIP: &[u8] = &[0x1f, 0x8b];
const UTF8_MARK: &[u8] = &[0xef, 0xbb, 0xbf];
const CAPACITY: usize = 1 << 18;

/// Opens a file for reading as UTF-8; what is read of it is added to `count`.
pub(crate) fn open(file: &Found, count: &Arc<AtomicU64>) -> Result<Box<dyn Read + Send>, SourceError> {
    let failed = |error| SourceError::io(&file.name, error);
    let counted = Counted { inner: File::open(&file.path).map_err(failed)?, count: Arc::clone(count) };
    let mut raw = BufReader::with_capacity(CAPACITY, counted);
    let is_compressed = raw.fill_buf().map_err(failed)?.starts_with(GZIP);
    let text: Box<dyn Read + Send> =
        if is_compressed { Box::new(MultiGzDecoder::new(raw)) } else { Box::new(raw) };
    let mut text = BufReader::with_capacity(CAPACITY, text);
    let start = text.fill_buf().map_err(failed)?;
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        let message = "it is UTF-16 text: convert it to UTF-8, as by `iconv -f UTF-16 -t UTF-8`";
        return Err(SourceError::unusable(&file.name, message));
    }
    if start.starts_with(UTF8_MARK) {
        text.consume(UTF8_MARK.len());
    }
    Ok(Box::new(text))
}

struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
