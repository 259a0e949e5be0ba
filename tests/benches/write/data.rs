//! Ten columns of the kinds that tables have: keys, measures, flags, names, days and times.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use chrono::{DateTime, NaiveDate};
use serde::Serialize;

/// Rows of a batch.
pub(crate) const BATCH: usize = 8_192;
/// Batches that differ; they come again and again, so that making them costs nothing.
const BATCHES: usize = 31;

/// A row, with days and times as the road has them.
#[derive(Serialize)]
pub(crate) struct Row<Day, Time> {
    id: i64,
    account: i64,
    quantity: i32,
    price: f64,
    share: f64,
    open: bool,
    city: String,
    note: String,
    day: Day,
    at: Time,
}

/// A row for the batches: days and microseconds since the epoch.
type Plain = Row<i32, i64>;

/// A value for the serde road: days and times are text there, as programs have them.
pub(crate) type Value = Row<String, String>;

pub(crate) const COLUMNS: &str = "id BIGINT, account BIGINT, quantity INT, price DOUBLE, share DOUBLE, open BOOLEAN, \
     city STRING, note STRING, day DATE, at TIMESTAMP";

fn random(row: usize, column: u64) -> u64 {
    let mixed = (row as u64).wrapping_add(column << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 16
}

fn row<Day, Time>(n: usize, day: impl Fn(i32) -> Day, time: impl Fn(i64) -> Time) -> Row<Day, Time> {
    Row {
        id: n as i64,
        account: (random(n, 1) % 1_000_000) as i64,
        quantity: (random(n, 2) % 100) as i32,
        price: (random(n, 3) % 1_000_000) as f64 / 100.0,
        share: random(n, 4) as f64 / 7.0,
        open: random(n, 5).is_multiple_of(3),
        city: format!("city {}", random(n, 6) % 300),
        note: format!("{:012x}", random(n, 7)),
        day: day(20_000 + (n / 50_000) as i32),
        at: time(1_700_000_000_000_000 + n as i64 * 1_000_003),
    }
}

pub(crate) fn values(rows: usize) -> Vec<Value> {
    let day = |days| NaiveDate::from_epoch_days(days).unwrap().to_string();
    let time = |micros| DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339();
    (0..rows).map(|n| row(n % (BATCH * BATCHES), day, time)).collect()
}

fn batch(first: usize) -> RecordBatch {
    let rows: Vec<Plain> = (first..first + BATCH).map(|n| row(n, |day| day, |time| time)).collect();
    let integers = |value: fn(&Plain) -> i64| Int64Array::from_iter_values(rows.iter().map(value));
    let doubles = |value: fn(&Plain) -> f64| Float64Array::from_iter_values(rows.iter().map(value));
    let texts = |value: fn(&Plain) -> &str| StringArray::from_iter_values(rows.iter().map(value));
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.at));
    let columns: [(&str, ArrayRef); 10] = [
        ("id", Arc::new(integers(|row| row.id))),
        ("account", Arc::new(integers(|row| row.account))),
        ("quantity", Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.quantity)))),
        ("price", Arc::new(doubles(|row| row.price))),
        ("share", Arc::new(doubles(|row| row.share))),
        ("open", Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(row.open))))),
        ("city", Arc::new(texts(|row| &row.city))),
        ("note", Arc::new(texts(|row| &row.note))),
        ("day", Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| row.day)))),
        ("at", Arc::new(times.with_timezone("UTC"))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

/// The batches that all rows are made of.
pub(crate) fn pool() -> Vec<RecordBatch> {
    (0..BATCHES).map(|index| batch(index * BATCH)).collect()
}

/// `rows` rows of the pool.
pub(crate) fn batches(pool: &[RecordBatch], rows: usize) -> impl Iterator<Item = RecordBatch> + '_ {
    (0..rows.div_ceil(BATCH)).map(move |index| {
        let left = rows - index * BATCH;
        pool[index % pool.len()].slice(0, left.min(BATCH))
    })
}
