//! CSV files: the header, a look at some rows, and all rows as batches.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow_csv::reader::{Decoder, ReaderBuilder};

use super::bytes;
use super::columns::{BATCH_ROWS, Plan};
use super::csv_records::CsvRecords;
use super::error::SourceError;
use super::frames::{Frame, Frames};
use super::shape::{Shape, Values};
use super::walk::Found;

/// How CSV files are read.
#[derive(Debug, Clone, Default)]
pub(crate) struct CsvOptions {
    pub(crate) delimiter: Option<u8>,
    /// The columns, where files have no header.
    pub(crate) names: Option<Vec<String>>,
    pub(crate) has_header: bool,
    /// Text that stands for NULL.
    pub(crate) null: Option<String>,
}

impl CsvOptions {
    fn delimiter(&self, file: &Found) -> u8 {
        self.delimiter.unwrap_or(if file.is_tabbed { b'\t' } else { b',' })
    }

    fn frames(&self, file: &Found, count: &Arc<AtomicU64>) -> Result<Frames<CsvRecords>, SourceError> {
        Ok(Frames::new(&file.name, bytes::open(file, count)?, CsvRecords::new(self.delimiter(file))))
    }
}

/// The columns' names, and what their values look like in the first rows.
pub(crate) fn look(file: &Found, options: &CsvOptions, sample: u64) -> Result<Shape, SourceError> {
    let mut frames = options.frames(file, &Arc::default())?;
    let mut shape = Shape::default();
    let delimiter = options.delimiter(file);
    if options.has_header {
        let Some(header) = frames.next(1)? else { return Ok(shape) };
        header.check_text(&file.name)?;
        for name in fields(header.record(0), delimiter) {
            add_name(file, header.line(0), &mut shape, &name)?;
        }
    }
    let mut left = sample;
    while let Some(frame) = frames.next(usize::try_from(left).unwrap_or(usize::MAX).min(BATCH_ROWS))? {
        frame.check_text(&file.name)?;
        for row in 0..frame.len() {
            let cells = fields(frame.record(row), delimiter);
            if !options.has_header && shape.columns.is_empty() {
                name_columns(file, options, cells.len(), &mut shape)?;
            }
            check_count(file, frame.line(row), cells.len(), shape.columns.len())?;
            for (seen, cell) in shape.columns.iter_mut().zip(&cells) {
                if let Values::Plain(guess) = &mut seen.values
                    && !cell.is_empty()
                    && options.null.as_ref() != Some(cell)
                {
                    guess.see(cell);
                }
            }
        }
        left = left.saturating_sub(frame.len() as u64);
        if left == 0 {
            break;
        }
    }
    Ok(shape)
}

fn add_name(file: &Found, line: u64, shape: &mut Shape, name: &str) -> Result<(), SourceError> {
    let malformed = |message: String| Err(SourceError::malformed(&file.name, line, message));
    let number = shape.columns.len() + 1;
    if name.trim().is_empty() {
        return malformed(format!(
            "column {number} has no name: write one into the header, or say --no-header if this is a row"
        ));
    }
    if shape.columns.iter().any(|seen| seen.name.to_lowercase() == name.to_lowercase()) {
        return malformed(format!(
            "the header names column `{name}` twice (names match without regard to case): rename one"
        ));
    }
    shape.add(name);
    Ok(())
}

/// Names for the columns of a file without a header.
fn name_columns(
    file: &Found,
    options: &CsvOptions,
    count: usize,
    shape: &mut Shape,
) -> Result<(), SourceError> {
    match &options.names {
        Some(names) if names.len() != count => {
            let message = format!("it has {count} columns, and --columns names {}", names.len());
            return Err(SourceError::unusable(&file.name, message));
        }
        Some(names) => names.iter().for_each(|name| shape.add(name)),
        None => (0..count).for_each(|index| shape.add(&format!("_c{index}"))),
    }
    Ok(())
}

fn check_count(file: &Found, line: u64, has: usize, wanted: usize) -> Result<(), SourceError> {
    if has == wanted {
        return Ok(());
    }
    let message = format!(
        "the row has {has} fields where {wanted} are expected: correct it, or say by --delimiter what stands between them"
    );
    Err(SourceError::malformed(&file.name, line, message))
}

/// The fields of one record, which is known to be text.
fn fields(record: &[u8], delimiter: u8) -> Vec<String> {
    let mut reader = ::csv::ReaderBuilder::new();
    let reader = reader.has_headers(false).flexible(true).delimiter(delimiter).from_reader(record);
    let record = reader.into_records().next().and_then(Result::ok).unwrap_or_default();
    record.iter().map(str::to_owned).collect()
}

/// Gives all rows to `emit`, until it says that nobody wants more.
pub(crate) fn read(
    file: &Found,
    options: &CsvOptions,
    plan: &Plan<'_>,
    count: &Arc<AtomicU64>,
    emit: &mut dyn FnMut(RecordBatch) -> bool,
) -> Result<(), SourceError> {
    let mut frames = options.frames(file, count)?;
    if options.has_header {
        frames.next(1)?;
    }
    let text = |index: usize| Field::new(index.to_string(), DataType::Utf8, true);
    let schema = Arc::new(Schema::new((0..plan.width()).map(text).collect::<Vec<_>>()));
    let builder = ReaderBuilder::new(schema).with_header(false).with_delimiter(options.delimiter(file));
    let mut decoder = builder.with_batch_size(BATCH_ROWS).build_decoder();
    while let Some(frame) = frames.next(BATCH_ROWS)? {
        frame.check_text(&file.name)?;
        let text = decode(&mut decoder, &frame)
            .ok_or_else(|| unlike(file, options.delimiter(file), &frame, plan.width()))?;
        let batch = plan.assemble(&file.name, text.num_rows(), |index, column| {
            let cells = text.column(index).as_string::<i32>();
            let misfit = |row| column.misfit(&file.name, frame.line(row), cells.value(row));
            column.cells(options.null.as_deref()).read(cells).map_err(misfit)
        })?;
        if !emit(batch) {
            break;
        }
    }
    Ok(())
}

/// The fields of all records; none when they are not as many as there should be.
fn decode(decoder: &mut Decoder, frame: &Frame) -> Option<RecordBatch> {
    let mut rest = frame.bytes.as_slice();
    while !rest.is_empty() {
        let taken = decoder.decode(rest).ok().filter(|taken| *taken > 0)?;
        rest = &rest[taken..];
    }
    decoder.flush().ok().flatten().filter(|batch| batch.num_rows() == frame.len())
}

/// The record whose fields are too many or too few.
fn unlike(file: &Found, delimiter: u8, frame: &Frame, wanted: usize) -> SourceError {
    let counts = (0..frame.len()).map(|row| (row, fields(frame.record(row), delimiter).len()));
    let mut errors =
        counts.filter_map(|(row, count)| check_count(file, frame.line(row), count, wanted).err());
    errors.next().unwrap_or_else(|| {
        SourceError::malformed(&file.name, frame.line(0), "the rows from here on cannot be told apart")
    })
}
