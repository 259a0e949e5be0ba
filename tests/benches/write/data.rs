//! Ten columns of the kinds that tables have: keys, measures, flags, names, days and times.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use serde::Serialize;

/// Rows of a batch.
pub(crate) const BATCH: usize = 8_192;
/// Batches that differ; they come again and again, so that making them costs nothing.
const BATCHES: usize = 31;

#[derive(Clone, Serialize)]
pub(crate) struct Row {
    id: i64,
    account: i64,
    quantity: i32,
    price: f64,
    share: f64,
    open: bool,
    city: String,
    note: String,
    day: i32,
    at: i64,
}

pub(crate) const COLUMNS: &str = "id BIGINT, account BIGINT, quantity INT, price DOUBLE, share DOUBLE, open BOOLEAN, \
     city STRING, note STRING, day DATE, at TIMESTAMP";

fn random(row: usize, column: u64) -> u64 {
    let mixed = (row as u64).wrapping_add(column << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 16
}

fn row(n: usize) -> Row {
    Row {
        id: n as i64,
        account: (random(n, 1) % 1_000_000) as i64,
        quantity: (random(n, 2) % 100) as i32,
        price: (random(n, 3) % 1_000_000) as f64 / 100.0,
        share: random(n, 4) as f64 / 7.0,
        open: random(n, 5).is_multiple_of(3),
        city: format!("city {}", random(n, 6) % 300),
        note: format!("{:012x}", random(n, 7)),
        day: 20_000 + (n / 50_000) as i32,
        at: 1_700_000_000_000_000 + n as i64 * 1_000_003,
    }
}

/// Values for the serde road. Days and times are text there, as programs have them.
#[derive(Serialize)]
pub(crate) struct Value {
    id: i64,
    account: i64,
    quantity: i32,
    price: f64,
    share: f64,
    open: bool,
    city: String,
    note: String,
    day: String,
    at: String,
}

pub(crate) fn values(rows: usize) -> Vec<Value> {
    let value = |n: usize| {
        let Row { id, account, quantity, price, share, open, city, note, day, at } =
            row(n % (BATCH * BATCHES));
        let second = at / 1_000_000 % 86_400;
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        let day = format!("2026-01-{:02}", day % 28 + 1);
        let at = format!("{day}T{hour:02}:{minute:02}:{second:02}Z");
        Value { id, account, quantity, price, share, open, city, note, day, at }
    };
    (0..rows).map(value).collect()
}

fn batch(first: usize) -> RecordBatch {
    let rows: Vec<Row> = (first..first + BATCH).map(row).collect();
    let integers = |value: fn(&Row) -> i64| Int64Array::from_iter_values(rows.iter().map(value));
    let doubles = |value: fn(&Row) -> f64| Float64Array::from_iter_values(rows.iter().map(value));
    let texts = |value: fn(&Row) -> &str| StringArray::from_iter_values(rows.iter().map(value));
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
