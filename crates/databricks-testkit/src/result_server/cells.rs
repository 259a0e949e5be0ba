//! The ten columns: every cell is a function of its row's number, as an Arrow array and as JSON text.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDate, SecondsFormat};

use crate::engine::Column;

/// The zone of the TIMESTAMP column.
const ZONE: &str = "Etc/UTC";
const PRECISION: u8 = 18;
const SCALE: i8 = 2;
/// 2020-01-01, in days and in microseconds since the epoch.
const FIRST_DAY: i32 = 18_262;
const FIRST_INSTANT: i64 = 1_577_836_800_000_000;

/// Long, repeated texts.
const NOTES: [&str; 8] = [
    "delivered to the front desk, signed for by the receptionist",
    "left with a neighbour as the customer had asked for",
    "returned to sender: the address is incomplete or unknown",
    "held at customs, waiting for the invoice of the shipper",
    "delivered in two parts, the second one a day later",
    "picked up at the counter with a code and an identity card",
    "refused by the customer because the parcel was damaged; see the photographs",
    "rerouted on request to a pickup point near the railway station",
];

/// Names and SQL types.
const COLUMNS: [(&str, &str); 10] = [
    ("id", "BIGINT"),
    ("store", "INT"),
    ("ratio", "DOUBLE"),
    ("price", "DECIMAL(18,2)"),
    ("code", "STRING"),
    ("note", "STRING"),
    ("day", "DATE"),
    ("at", "TIMESTAMP"),
    ("paid", "BOOLEAN"),
    ("digest", "BINARY"),
];

/// The columns in the API's terms.
pub(super) fn columns() -> Vec<Column> {
    COLUMNS.iter().map(|(name, type_text)| Column::new(*name, *type_text)).collect()
}

/// The cells of one row.
#[derive(Clone, Copy, Debug)]
struct Cells {
    row: u64,
    mixed: u64,
}

impl Cells {
    fn of(row: u64) -> Self {
        Self { row, mixed: mix(row) }
    }

    fn id(self) -> i64 {
        self.row as i64
    }

    fn store(self) -> i32 {
        (self.mixed % 5_000) as i32
    }

    fn ratio(self) -> f64 {
        (self.mixed >> 11) as f64 / 9_007_199_254_740_992.0
    }

    /// In hundredths.
    fn price(self) -> i128 {
        i128::from(self.mixed % 10_000_000) - 1_000_000
    }

    fn code(self) -> String {
        format!("{:08x}", self.mixed >> 32)
    }

    fn note(self) -> Option<&'static str> {
        let note = NOTES.get((self.mixed >> 7) as usize % NOTES.len()).copied();
        note.filter(|_| self.row % 10 != 9)
    }

    fn day(self) -> i32 {
        FIRST_DAY + ((self.mixed >> 20) % 1_500) as i32
    }

    fn at(self) -> i64 {
        FIRST_INSTANT.wrapping_add((self.row as i64).wrapping_mul(1_000_003))
    }

    fn paid(self) -> Option<bool> {
        (self.mixed & 7 != 0).then_some(self.mixed & 8 == 0)
    }

    fn digest(self) -> [u8; 8] {
        mix(self.mixed).to_le_bytes()
    }

    fn texts(self) -> Vec<Option<String>> {
        let (price, instant) = (self.price(), DateTime::from_timestamp_micros(self.at()));
        let sign = if price < 0 { "-" } else { "" };
        vec![
            Some(self.id().to_string()),
            Some(self.store().to_string()),
            Some(self.ratio().to_string()),
            Some(format!("{sign}{}.{:02}", price.abs() / 100, price.abs() % 100)),
            Some(self.code()),
            self.note().map(str::to_owned),
            NaiveDate::from_epoch_days(self.day()).map(|day| day.to_string()),
            instant.map(|instant| instant.to_rfc3339_opts(SecondsFormat::Micros, true)),
            self.paid().map(|paid| paid.to_string()),
            Some(STANDARD.encode(self.digest())),
        ]
    }
}

/// Spreads neighbouring numbers over all 64 bits (the finalizer of SplitMix64).
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// These rows as JSON_ARRAY has them.
pub(super) fn texts(rows: impl Iterator<Item = u64>) -> Vec<Vec<Option<String>>> {
    rows.map(|row| Cells::of(row).texts()).collect()
}

/// The Arrow schema of the rows.
pub(super) fn schema() -> SchemaRef {
    let kinds = [
        DataType::Int64,
        DataType::Int32,
        DataType::Float64,
        DataType::Decimal128(PRECISION, SCALE),
        DataType::Utf8,
        DataType::Utf8,
        DataType::Date32,
        DataType::Timestamp(TimeUnit::Microsecond, Some(ZONE.into())),
        DataType::Boolean,
        DataType::Binary,
    ];
    let fields = COLUMNS.iter().zip(kinds).map(|((name, _), kind)| Field::new(*name, kind, true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// These rows as Arrow.
pub(super) fn batch(rows: impl Iterator<Item = u64>) -> Result<RecordBatch, ArrowError> {
    let cells: Vec<Cells> = rows.map(Cells::of).collect();
    let each = || cells.iter().copied();
    let price = Decimal128Array::from_iter_values(each().map(Cells::price));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(each().map(Cells::id))),
        Arc::new(Int32Array::from_iter_values(each().map(Cells::store))),
        Arc::new(Float64Array::from_iter_values(each().map(Cells::ratio))),
        Arc::new(price.with_precision_and_scale(PRECISION, SCALE)?),
        Arc::new(StringArray::from_iter_values(each().map(Cells::code))),
        Arc::new(each().map(Cells::note).collect::<StringArray>()),
        Arc::new(Date32Array::from_iter_values(each().map(Cells::day))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(each().map(Cells::at)).with_timezone(ZONE)),
        Arc::new(each().map(Cells::paid).collect::<BooleanArray>()),
        Arc::new(BinaryArray::from_iter_values(each().map(Cells::digest))),
    ];
    RecordBatch::try_new(schema(), columns)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use arrow::array::Array;

    #[test]
    fn rows_are_functions_of_their_numbers() {
        let (all, tail) = (batch(0..1000).unwrap(), batch(600..1000).unwrap());
        assert_eq!(all.slice(600, 400), tail);
        assert_ne!(all.slice(0, 400), tail);
    }

    #[test]
    fn optional_columns_have_nulls_and_prices_have_both_signs() {
        let rows = batch(0..10_000).unwrap();
        for (name, fewest) in [("note", 1000), ("paid", 1000)] {
            assert!(rows.column_by_name(name).unwrap().null_count() >= fewest, "{name}");
        }
        assert!((0..10_000).any(|row| Cells::of(row).price() < 0));
        assert!((0..10_000).all(|row| Cells::of(row).day() >= FIRST_DAY));
    }

    #[test]
    fn text_is_written_as_the_api_writes_it() {
        insta::assert_json_snapshot!(texts([0, 9].into_iter()));
    }

    #[test]
    fn the_largest_row_number_is_a_row_too() {
        assert_eq!(batch([u64::MAX].into_iter()).unwrap().num_rows(), 1);
        assert_eq!(texts([u64::MAX].into_iter())[0].len(), COLUMNS.len());
    }
}
