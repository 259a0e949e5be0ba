//! A chunk as bytes: what storage holds, and what an attachment carries.

use bytes::Bytes;
use csv::{QuoteStyle, Terminator, WriterBuilder};

use super::compress;
use super::request::{Delivery, Format};
use crate::engine::{Column, ResultChunk, StatementFailure};

/// How CSV writes NULL, as documented. A text that reads the same cannot be told from it.
const CSV_NULL: &str = "null";

/// The work of writing a chunk, to be run where it may block.
pub(super) fn encode(
    delivery: Delivery,
    columns: &[Column],
    index: usize,
) -> impl FnOnce(&dyn ResultChunk) -> Result<Bytes, StatementFailure> + Send + 'static {
    // Only the first chunk of a CSV result has the names of the columns.
    let header = (delivery.format == Format::Csv && index == 0)
        .then(|| columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>());
    move |chunk| {
        let bytes = match delivery.format {
            Format::ArrowStream => chunk.arrow_stream()?,
            Format::JsonArray => json(chunk)?,
            Format::Csv => csv(header.as_deref(), chunk)?,
        };
        if delivery.lz4 { compress::lz4_frames(&bytes) } else { Ok(bytes) }
    }
}

fn json(chunk: &dyn ResultChunk) -> Result<Bytes, StatementFailure> {
    let rows = serde_json::to_vec(&chunk.json_rows()?);
    Ok(rows.map_err(|error| unwritten(&error))?.into())
}

/// RFC 4180: lines end in CR LF, and what holds a comma, a quote or an end of line is quoted.
fn csv(header: Option<&[String]>, chunk: &dyn ResultChunk) -> Result<Bytes, StatementFailure> {
    let mut writer = WriterBuilder::new()
        .has_headers(false)
        .terminator(Terminator::CRLF)
        .quote_style(QuoteStyle::Necessary)
        .from_writer(Vec::new());
    if let Some(names) = header {
        writer.write_record(names).map_err(|error| unwritten(&error))?;
    }
    for row in chunk.json_rows()? {
        let cells = row.iter().map(|cell| cell.as_deref().unwrap_or(CSV_NULL));
        writer.write_record(cells).map_err(|error| unwritten(&error))?;
    }
    Ok(writer.into_inner().map_err(|error| unwritten(&error))?.into())
}

fn unwritten(error: &dyn std::fmt::Display) -> StatementFailure {
    StatementFailure::internal(format!("The rows could not be written: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::request::Disposition;
    use super::*;

    struct Rows(Vec<Vec<Option<String>>>);

    impl ResultChunk for Rows {
        fn row_count(&self) -> u64 {
            self.0.len() as u64
        }
        fn byte_count(&self) -> u64 {
            1
        }
        fn json_rows(&self) -> Result<Vec<Vec<Option<String>>>, StatementFailure> {
            Ok(self.0.clone())
        }
        fn arrow_stream(&self) -> Result<Bytes, StatementFailure> {
            Ok(Bytes::new())
        }
    }

    fn written(index: usize, rows: &[&[Option<&str>]]) -> String {
        let delivery = Delivery {
            disposition: Disposition::ExternalLinks,
            format: Format::Csv,
            lz4: false,
            byte_limit: None,
        };
        let columns = [Column::new("a,b", "STRING"), Column::new("n", "INT")];
        let rows = rows.iter().map(|row| row.iter().map(|cell| cell.map(str::to_owned)).collect()).collect();
        let bytes = encode(delivery, &columns, index)(&Rows(rows)).unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn csv_has_its_header_once_and_quotes_what_needs_it() {
        let rows: &[&[Option<&str>]] =
            &[&[Some("x"), Some("1")], &[Some("say \"hi\",\nall"), None], &[Some(""), Some("null")]];
        assert_eq!(written(0, rows), "\"a,b\",n\r\nx,1\r\n\"say \"\"hi\"\",\nall\",null\r\n,null\r\n");
        assert_eq!(written(1, &[&[Some("x"), Some("1")]]), "x,1\r\n");
        assert_eq!(written(1, &[]), "");
    }

    #[test]
    fn a_lone_empty_cell_is_a_line_of_its_own() {
        let chunk = Rows(vec![vec![Some(String::new())], vec![None]]);
        assert_eq!(csv(None, &chunk).unwrap(), "\"\"\r\nnull\r\n");
    }
}
