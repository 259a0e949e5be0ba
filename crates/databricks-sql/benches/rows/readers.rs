//! The readers: by hand and by serde, with values that own their text and with values that borrow it.

use arrow::array::{
    Array, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array,
    Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{
    Date32Type, Decimal128Type, DecimalType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use chrono::{DateTime, NaiveDate, Utc};
use databricks_sql::{SqlClient, StatementResult};
use databricks_testkit::ResultShape;
use futures::TryStreamExt;
use serde::Deserialize;
use tokio::runtime::Runtime;

use crate::leaf;

const ROWS_OF_BATCH: u64 = 8192;

/// Rows in memory, and behind a client.
pub(crate) struct Source {
    result: StatementResult,
    sql: SqlClient,
    runtime: Runtime,
    pub(crate) checksum: u64,
}

impl Source {
    pub(crate) fn new(rows: u64) -> Self {
        let shape = ResultShape::new(rows, rows.div_ceil(ROWS_OF_BATCH));
        let batches: Vec<RecordBatch> =
            (0..shape.chunks()).map(|index| shape.expected(shape.chunk(index)).unwrap()).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let sql = leaf::client(&batches);
        // The result of the client's, with batches whose memory is not shared with its files.
        let mut result = runtime.block_on(sql.statement("SELECT 1").external().execute()).unwrap();
        result.batches = batches;
        let mut source = Self { result, sql, runtime, checksum: 0 };
        source.checksum = owned_by_hand(&source).1;
        source
    }
}

/// How rows are read: their number and a checksum, so that no value is left out by the compiler.
pub(crate) struct Reader {
    pub(crate) name: &'static str,
    pub(crate) read: fn(&Source) -> (u64, u64),
    /// The reader by hand that does the same.
    pub(crate) beside: usize,
    /// Whether its allocations are those of its rows alone.
    pub(crate) counted: bool,
}

pub(crate) const READERS: [Reader; 5] = [
    Reader { name: "by hand, owned", read: owned_by_hand, beside: 0, counted: true },
    Reader { name: "`StatementResult::rows`, owned", read: owned_by_serde, beside: 0, counted: true },
    Reader { name: "by hand, borrowed", read: lent_by_hand, beside: 2, counted: true },
    Reader { name: "`StatementResult::rows`, borrowed", read: lent_by_serde, beside: 2, counted: true },
    Reader { name: "`Statement::rows`, owned: the stream", read: streamed, beside: 0, counted: false },
];

#[derive(Deserialize)]
struct Owned {
    id: i64,
    store: i32,
    ratio: f64,
    price: String,
    code: String,
    note: Option<String>,
    day: NaiveDate,
    at: DateTime<Utc>,
    paid: Option<bool>,
    digest: Vec<u8>,
}

#[derive(Deserialize)]
struct Lent<'r> {
    id: i64,
    store: i32,
    ratio: f64,
    price: f64,
    code: &'r str,
    note: Option<&'r str>,
    day: NaiveDate,
    at: DateTime<Utc>,
    paid: Option<bool>,
    digest: &'r [u8],
}

/// Something of every field.
fn sum(
    id: i64,
    store: i32,
    ratio: f64,
    lengths: [usize; 4],
    day: NaiveDate,
    at: DateTime<Utc>,
    paid: Option<bool>,
) -> u64 {
    use chrono::Datelike;
    let [price, code, note, digest] = lengths;
    // Text of one reader, a number of another: made, and not compared.
    std::hint::black_box(price);
    (id as u64)
        .wrapping_add(store as u64)
        .wrapping_add(ratio.to_bits())
        .wrapping_add((code + note * 3 + digest * 5) as u64)
        .wrapping_add(day.num_days_from_ce() as u64)
        .wrapping_add(at.timestamp_micros() as u64)
        .wrapping_add(paid.map_or(7, u64::from))
}

impl Owned {
    fn sum(&self) -> u64 {
        let note = self.note.as_ref().map_or(0, String::len);
        let lengths = [self.price.len(), self.code.len(), note, self.digest.len()];
        sum(self.id, self.store, self.ratio, lengths, self.day, self.at, self.paid)
    }
}

impl Lent<'_> {
    fn sum(&self) -> u64 {
        let lengths =
            [self.price as usize, self.code.len(), self.note.map_or(0, str::len), self.digest.len()];
        sum(self.id, self.store, self.ratio, lengths, self.day, self.at, self.paid)
    }
}

/// The arrays of a batch, as somebody writes who knows what is in it.
struct Arrays<'b> {
    id: &'b Int64Array,
    store: &'b Int32Array,
    ratio: &'b Float64Array,
    price: &'b Decimal128Array,
    code: &'b StringArray,
    note: &'b StringArray,
    day: &'b Date32Array,
    at: &'b TimestampMicrosecondArray,
    paid: &'b BooleanArray,
    digest: &'b BinaryArray,
}

impl<'b> Arrays<'b> {
    fn of(batch: &'b RecordBatch) -> Self {
        Self {
            id: batch.column(0).as_primitive::<Int64Type>(),
            store: batch.column(1).as_primitive::<Int32Type>(),
            ratio: batch.column(2).as_primitive::<Float64Type>(),
            price: batch.column(3).as_primitive::<Decimal128Type>(),
            code: batch.column(4).as_string(),
            note: batch.column(5).as_string(),
            day: batch.column(6).as_primitive::<Date32Type>(),
            at: batch.column(7).as_primitive::<TimestampMicrosecondType>(),
            paid: batch.column(8).as_boolean(),
            digest: batch.column(9).as_binary(),
        }
    }

    fn owned(&self, row: usize) -> Owned {
        Owned {
            id: self.id.value(row),
            store: self.store.value(row),
            ratio: self.ratio.value(row),
            price: Decimal128Type::format_decimal(
                self.price.value(row),
                self.price.precision(),
                self.price.scale(),
            ),
            code: self.code.value(row).to_owned(),
            note: self.note.is_valid(row).then(|| self.note.value(row).to_owned()),
            day: NaiveDate::from_epoch_days(self.day.value(row)).unwrap(),
            at: DateTime::from_timestamp_micros(self.at.value(row)).unwrap(),
            paid: self.paid.is_valid(row).then(|| self.paid.value(row)),
            digest: self.digest.value(row).to_vec(),
        }
    }

    fn lent(&self, row: usize) -> Lent<'b> {
        Lent {
            id: self.id.value(row),
            store: self.store.value(row),
            ratio: self.ratio.value(row),
            price: self.price.value(row) as f64 / 100.0,
            code: self.code.value(row),
            note: self.note.is_valid(row).then(|| self.note.value(row)),
            day: NaiveDate::from_epoch_days(self.day.value(row)).unwrap(),
            at: DateTime::from_timestamp_micros(self.at.value(row)).unwrap(),
            paid: self.paid.is_valid(row).then(|| self.paid.value(row)),
            digest: self.digest.value(row),
        }
    }
}

fn total(rows: impl Iterator<Item = u64>) -> (u64, u64) {
    rows.fold((0, 0), |(rows, total), row| (rows + 1, u64::wrapping_add(total, row)))
}

/// All rows in one `Vec`, as `StatementResult::rows` gives them.
fn owned_by_hand(source: &Source) -> (u64, u64) {
    let mut all = Vec::with_capacity(source.result.num_rows());
    for batch in &source.result.batches {
        let arrays = Arrays::of(batch);
        all.extend((0..batch.num_rows()).map(|row| arrays.owned(row)));
    }
    total(all.iter().map(Owned::sum))
}

fn owned_by_serde(source: &Source) -> (u64, u64) {
    total(source.result.rows::<Owned>().unwrap().iter().map(Owned::sum))
}

fn lent_by_hand(source: &Source) -> (u64, u64) {
    let mut all = Vec::with_capacity(source.result.num_rows());
    for batch in &source.result.batches {
        let arrays = Arrays::of(batch);
        all.extend((0..batch.num_rows()).map(|row| arrays.lent(row)));
    }
    total(all.iter().map(Lent::sum))
}

fn lent_by_serde(source: &Source) -> (u64, u64) {
    total(source.result.rows::<Lent<'_>>().unwrap().iter().map(Lent::sum))
}

fn streamed(source: &Source) -> (u64, u64) {
    source.runtime.block_on(async {
        let mut rows = source.sql.statement("SELECT 1").external().rows::<Owned>().await.unwrap();
        let mut read = (0, 0_u64);
        while let Some(row) = rows.try_next().await.unwrap() {
            read = (read.0 + 1, read.1.wrapping_add(row.sum()));
        }
        read
    })
}
