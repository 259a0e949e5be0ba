//! The rows to load, and how they grow: a sorted data set, repeated under new dates.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, RecordBatch, Scalar},
    compute::{self, kernels::numeric},
    datatypes::{DataType, Date32Type, SchemaRef},
    error::ArrowError,
};

use crate::Failure;

/// The last day that SQL's DATE can hold, 9999-12-31, in days since 1970-01-01.
const LAST_DAY: i64 = 2_932_896;

/// Rows in key order, with the columns that the program works on.
pub(crate) struct Dataset {
    name: String,
    base: RecordBatch,
    total: usize,
    key: usize,
    measure: Option<usize>,
    category: Option<usize>,
    /// How many days each repetition is later than the one before.
    span: i64,
}

impl Dataset {
    /// Takes rows as they were read, and sorts them by the key column.
    pub(crate) fn new(name: String, rows: RecordBatch, key: Option<&str>) -> Result<Self, Failure> {
        if rows.num_rows() == 0 {
            return Err(Failure::new(format!("{name} holds no rows")));
        }
        let key = key_column(&name, &rows, key)?;
        let order = compute::sort_to_indices(rows.column(key), None, None)?;
        let base = compute::take_record_batch(&rows, &order)?;
        let first = |wanted: fn(&DataType) -> bool| {
            let fields = base.schema_ref().fields();
            fields
                .iter()
                .enumerate()
                .find(|(index, field)| *index != key && wanted(field.data_type()))
                .map(|(index, _)| index)
        };
        let measure = first(|data_type| matches!(data_type, DataType::Float64 | DataType::Int64));
        let category = first(|data_type| matches!(data_type, DataType::Utf8));
        let span = days(&base, key).map_or(0, |days| i64::from(days.1) - i64::from(days.0) + 1);
        Ok(Self { name, total: base.num_rows(), base, key, measure, category, span })
    }

    /// Grows (or shrinks) the data set to `rows`.
    pub(crate) fn with_rows(mut self, rows: usize) -> Result<Self, Failure> {
        self.total = rows;
        if rows == 0 {
            return Err(Failure::new("--rows 0: at least one row is needed"));
        }
        if rows <= self.base.num_rows() {
            return Ok(self);
        }
        let (_, last) = days(&self.base, self.key).ok_or_else(|| {
            Failure::new(format!(
                "--rows {rows} repeats the data under new dates, but the key column `{}` of {} is no DATE without NULL",
                self.key(),
                self.name
            ))
        })?;
        let repetitions = i64::try_from((rows - 1) / self.base.num_rows()).unwrap_or(i64::MAX);
        if self.span.saturating_mul(repetitions).saturating_add(i64::from(last)) > LAST_DAY {
            let fit = usize::try_from((LAST_DAY - i64::from(last)) / self.span + 1).unwrap_or(usize::MAX);
            return Err(Failure::new(format!(
                "--rows {rows} would need dates after 9999-12-31; {} can grow to {} rows",
                self.name,
                fit.saturating_mul(self.base.num_rows())
            )));
        }
        Ok(self)
    }

    /// Where the rows come from, for people.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The columns.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.base.schema()
    }

    /// The number of rows after growing.
    pub(crate) fn rows(&self) -> usize {
        self.total
    }

    /// The column that identifies a row.
    pub(crate) fn key(&self) -> &str {
        self.base.schema_ref().field(self.key).name()
    }

    /// The first numeric column that is not the key: what corrections change and aggregates summarize.
    pub(crate) fn measure(&self) -> Option<&str> {
        self.measure.map(|index| self.base.schema_ref().field(index).name().as_str())
    }

    /// The first text column that is not the key: what aggregates group by.
    pub(crate) fn category(&self) -> Option<&str> {
        self.category.map(|index| self.base.schema_ref().field(index).name().as_str())
    }

    /// How many of the newest rows are kept back for the merge: a twentieth, at least a month.
    pub(crate) fn held_back(&self) -> usize {
        (self.total / 20).max(31).min(self.total / 4)
    }

    /// Some of the rows, as batches.
    pub(crate) fn batches(
        &self,
        range: Range<usize>,
    ) -> impl Iterator<Item = Result<RecordBatch, ArrowError>> + Send + use<> {
        let (base, key, span) = (self.base.clone(), self.key, self.span);
        let size = base.num_rows();
        let mut next = range.start;
        std::iter::from_fn(move || {
            let (repetition, offset) = (next / size, next % size);
            let length = (size - offset).min(range.end.saturating_sub(next));
            next += length;
            (length > 0).then(|| shifted(&base.slice(offset, length), key, repetition, span))
        })
    }

    /// Some of the rows with the measure a little higher: what a later, better reading would say.
    pub(crate) fn corrections(
        &self,
        range: Range<usize>,
    ) -> impl Iterator<Item = Result<RecordBatch, ArrowError>> + Send + use<> {
        let measure = self.measure;
        self.batches(range).map(move |batch| match measure {
            Some(index) => corrected(&batch?, index),
            None => batch,
        })
    }
}

fn key_column(name: &str, rows: &RecordBatch, wanted: Option<&str>) -> Result<usize, Failure> {
    let schema = rows.schema_ref();
    let Some(wanted) = wanted else {
        let dates = schema.fields().iter().position(|field| field.data_type() == &DataType::Date32);
        return Ok(dates.unwrap_or(0));
    };
    schema.index_of(wanted).map_err(|_| {
        let columns: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        Failure::new(format!("--key {wanted}: {name} has no such column; it has {}", columns.join(", ")))
    })
}

/// The first and the last day of a sorted DATE column without NULL.
fn days(rows: &RecordBatch, column: usize) -> Option<(i32, i32)> {
    let days = rows.column(column).as_primitive_opt::<Date32Type>()?;
    let (first, last) = (days.values().first()?, days.values().last()?);
    (days.null_count() == 0).then_some((*first, *last))
}

fn shifted(rows: &RecordBatch, key: usize, repetition: usize, span: i64) -> Result<RecordBatch, ArrowError> {
    if repetition == 0 {
        return Ok(rows.clone());
    }
    let too_late = || ArrowError::ComputeError("a date after 9999-12-31".to_owned());
    let shift = i64::try_from(repetition).ok().and_then(|repetition| repetition.checked_mul(span));
    let shift = shift.and_then(|shift| i32::try_from(shift).ok()).ok_or_else(too_late)?;
    let days = rows.column(key).as_primitive::<Date32Type>();
    let days: Date32Array = days.try_unary(|day| day.checked_add(shift).ok_or_else(too_late))?;
    replaced(rows, key, Arc::new(days))
}

fn corrected(rows: &RecordBatch, measure: usize) -> Result<RecordBatch, ArrowError> {
    let column = rows.column(measure);
    let sum = match column.data_type() {
        DataType::Float64 => numeric::add(column, &Scalar::new(Float64Array::from(vec![0.1])))?,
        _ => numeric::add(column, &Scalar::new(Int64Array::from(vec![1])))?,
    };
    replaced(rows, measure, sum)
}

fn replaced(rows: &RecordBatch, index: usize, column: ArrayRef) -> Result<RecordBatch, ArrowError> {
    let mut columns = rows.columns().to_vec();
    if let Some(slot) = columns.get_mut(index) {
        *slot = column;
    }
    RecordBatch::try_new(rows.schema(), columns)
}
