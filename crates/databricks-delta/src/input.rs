//! Where the rows of a write or a merge come from, and how they become batches for a table.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use databricks_schema::{ColumnNameRules, ColumnSchema, DataType, TableName, TableSchema, Widening};
use futures::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use serde::Serialize;

use crate::columns::{self, Paired, is_text};
use crate::error::{BoxError, DeltaError, Result};
use crate::rows::{self, Names, Rows, Slice};
use crate::stage::layout::Layout;
use crate::statement::cast::CastColumn;

/// Rows turned into columns at once: little enough that other tasks get their turn.
const ROWS_AT_A_TIME: usize = 4_096;

/// Rows of a serde type, or batches of columns.
pub(crate) enum Input<'a> {
    Rows(Box<dyn Rows + 'a>),
    Batches { schema: SchemaRef, batches: BoxStream<'a, Result<RecordBatch>> },
}

/// Rows that were checked against a table, as batches to stage and the casts that load them.
pub(crate) struct Prepared<'a> {
    pub(crate) batches: BoxStream<'a, Result<RecordBatch>>,
    pub(crate) layout: Layout,
    pub(crate) casts: Vec<CastColumn>,
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(rows) => write!(f, "Rows({})", rows.len()),
            Self::Batches { schema, .. } => write!(f, "Batches({:?})", schema.fields()),
        }
    }
}

impl<'a> Input<'a> {
    pub(crate) fn rows<T: Serialize + Sync>(rows: &'a [T]) -> Self {
        Self::Rows(Box::new(Slice(rows)))
    }

    pub(crate) fn batches<S, E>(schema: SchemaRef, batches: S) -> Self
    where
        S: Stream<Item = Result<RecordBatch, E>> + Send + 'a,
        E: Into<BoxError> + 'a,
    {
        let batches = batches.map_err(|error| DeltaError::Input(error.into())).boxed();
        Self::Batches { schema, batches }
    }

    /// Whether there are no rows, as far as that is known without asking a stream.
    pub(crate) fn is_known_empty(&self) -> bool {
        matches!(self, Self::Rows(rows) if rows.len() == 0)
    }

    /// How many rows there are, where that is known without asking a stream.
    pub(crate) fn known_rows(&self) -> Option<u64> {
        match self {
            Self::Rows(rows) => Some(rows.len() as u64),
            Self::Batches { .. } => None,
        }
    }

    /// The columns of the data that a table lacks, with the types that the data gives them. They may be NULL.
    pub(crate) fn columns_beyond(&self, table: &TableSchema) -> Result<Vec<ColumnSchema>> {
        let fields = match self {
            Self::Rows(rows) => {
                let mut names = Names::default();
                rows.collect_names(0..rows.len(), &mut names)?;
                if names.into_vec().iter().all(|name| table.column(name).is_some()) {
                    return Ok(Vec::new());
                }
                rows.infer_fields()?
            }
            Self::Batches { schema, .. } => schema.fields().to_vec(),
        };
        let missing = fields.iter().filter(|field| table.column(field.name()).is_none());
        missing.map(new_column).collect()
    }

    /// The columns that a table needs to take the data as it is: its own, those that it lacks and, where types may be
    /// widened, the data's types where they are wider.
    pub(crate) fn wanted(&self, table: &TableSchema, widens: bool) -> Result<TableSchema> {
        let mut wanted = table.clone();
        if widens {
            for field in &self.fields()? {
                let name = field.name().to_lowercase();
                let column = wanted.columns.iter_mut().find(|column| column.name.to_lowercase() == name);
                // A type that no table has is cast to the column's as ever.
                let (Some(column), Ok(given)) = (column, new_column(field)) else { continue };
                if Widening::between(&column.data_type, &given.data_type) == Some(Widening::Automatic) {
                    column.data_type = given.data_type;
                }
            }
        }
        wanted.columns.extend(self.columns_beyond(table)?);
        Ok(wanted)
    }

    /// The columns of the data, with the types that it gives them.
    pub(crate) fn fields(&self) -> Result<Vec<FieldRef>> {
        match self {
            Self::Rows(rows) => rows.infer_fields(),
            Self::Batches { schema, .. } => Ok(schema.fields().to_vec()),
        }
    }

    /// Prepares the rows for a table that they are to make.
    pub(crate) async fn for_new_table(self) -> Result<Prepared<'a>> {
        let columns = self.columns_beyond(&TableSchema::default())?;
        TableSchema::new(columns.iter().cloned()).validate(ColumnNameRules::default())?;
        self.prepare(&TableSchema::new(columns), |_| Ok(())).await
    }

    /// Prepares the rows for loading: the table must have all their columns.
    pub(crate) async fn for_table(self, table: &TableName, schema: &TableSchema) -> Result<Prepared<'a>> {
        self.prepare(schema, |pair| {
            pair.known(table, schema)?;
            Ok(())
        })
        .await
    }

    /// Prepares the rows as the source of a merge: they may have columns that only the merge's conditions use.
    pub(crate) async fn for_merge(self, schema: &TableSchema) -> Result<Prepared<'a>> {
        self.prepare(schema, |_| Ok(())).await
    }

    async fn prepare(
        self,
        table: &TableSchema,
        check: impl Fn(&Paired<'_>) -> Result<()>,
    ) -> Result<Prepared<'a>> {
        match self {
            Self::Rows(rows) => {
                let names = rows::column_names(rows.as_ref()).await?;
                let pairs = pairs(names.iter().map(String::as_str), table, check)?;
                let fields = row_fields(rows.as_ref(), &pairs)?;
                let casts = casts(&pairs, &fields)?;
                let layout = Layout::of(Arc::new(Schema::new(fields.clone())))?;
                Ok(Prepared { batches: row_batches(rows, fields), layout, casts })
            }
            Self::Batches { schema, batches } => {
                let names = schema.fields().iter().map(|field| field.name().as_str());
                let casts = casts(&pairs(names, table, check)?, schema.fields())?;
                Ok(Prepared { batches, layout: Layout::of(schema)?, casts })
            }
        }
    }
}

fn pairs<'n>(
    names: impl IntoIterator<Item = &'n str>,
    table: &'n TableSchema,
    check: impl Fn(&Paired<'_>) -> Result<()>,
) -> Result<Vec<Paired<'n>>> {
    let pairs = columns::pair(names, table)?;
    if pairs.is_empty() {
        return Err(DeltaError::data("it has no columns"));
    }
    pairs.iter().try_for_each(check)?;
    Ok(pairs)
}

/// A column for a field of the data, whose name and types need not be ones that a table can have.
fn new_column(field: &FieldRef) -> Result<ColumnSchema> {
    // The types that files hold are those that a table can be given.
    let in_file = Layout::of(Arc::new(Schema::new(vec![Arc::clone(field)])))?;
    let field = in_file.file_schema().field(0);
    let data_type = databricks_schema::arrow::from_arrow(field.data_type())?;
    Ok(ColumnSchema::new(field.name(), data_type))
}

/// Encodes a few rows as for a file, and drops what comes of it: rows that are written out as literals are so refused
/// for the same values as rows that are staged, where a cast of the literal would cut them to fit.
pub(crate) fn check_rows(rows: &dyn Rows, names: &[String], table: &TableSchema) -> Result<()> {
    let pairs = pairs(names.iter().map(String::as_str), table, |_| Ok(()))?;
    let fields = row_fields(rows, &pairs)?;
    let layout = Layout::of(Arc::new(Schema::new(fields.clone())))?;
    layout.convert(&rows.encode(0..rows.len(), &fields)?)?;
    Ok(())
}

/// Whether the statement makes the same of these literals as of the values in a file.
///
/// A whole number is a moment to a file by the unit of its column, and to a cast a number of seconds; a number becomes
/// text in another form. And VALUES gives each column one type, in which literals of different kinds lose digits or have
/// no place.
pub(crate) fn literals_are_faithful(names: &[String], table: &TableSchema, rows: &[Vec<String>]) -> bool {
    names.iter().enumerate().all(|(index, name)| {
        let Some(column) = table.column(name) else { return true };
        let literals = rows.iter().filter_map(|row| row.get(index));
        let kinds: Vec<Kind> = literals.filter_map(|literal| Kind::of(literal)).collect();
        match column.data_type {
            DataType::Date
            | DataType::Timestamp
            | DataType::TimestampNtz
            | DataType::String
            | DataType::Char(_)
            | DataType::Varchar(_) => kinds.iter().all(|kind| *kind == Kind::Text),
            DataType::Double if kinds.iter().all(|kind| kind.is_number()) => true,
            _ => kinds.iter().all(|kind| Some(kind) == kinds.first()),
        }
    })
}

/// What a literal is; NULL is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Truth,
    Bytes,
    Whole,
    Fraction,
}

impl Kind {
    fn of(literal: &str) -> Option<Self> {
        Some(match literal.as_bytes() {
            b"NULL" => return None,
            b"TRUE" | b"FALSE" => Self::Truth,
            [b'\'', ..] => Self::Text,
            [b'X', ..] => Self::Bytes,
            digits if digits.iter().all(|sign| sign.is_ascii_digit() || *sign == b'-') => Self::Whole,
            // With an exponent, or the cast of a text.
            _ => Self::Fraction,
        })
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Whole | Self::Fraction)
    }
}

/// The casts of a merge's rows, when they are written out as literals.
pub(crate) fn literal_casts(
    names: &[String],
    table: &TableSchema,
    rows: &[Vec<String>],
) -> Result<Vec<CastColumn>> {
    let pairs = columns::pair(names.iter().map(String::as_str), table)?;
    let is_text =
        |index: usize| rows.iter().filter_map(|row| row.get(index)).any(|literal| literal.starts_with('\''));
    pairs.iter().enumerate().map(|(index, pair)| cast(pair, is_text(index))).collect()
}

fn casts(pairs: &[Paired<'_>], fields: &[FieldRef]) -> Result<Vec<CastColumn>> {
    pairs.iter().zip(fields).map(|(pair, field)| cast(pair, is_text(field.data_type()))).collect()
}

fn cast(pair: &Paired<'_>, text: bool) -> Result<CastColumn> {
    match pair.target {
        Some(column) => CastColumn::new(pair.name, &column.name, &column.data_type, text),
        None => Ok(CastColumn::plain(pair.name)),
    }
}

/// The types that rows are encoded in: the table's, and for columns that it lacks those of the values.
fn row_fields(rows: &dyn Rows, pairs: &[Paired<'_>]) -> Result<Vec<FieldRef>> {
    let inferred =
        if pairs.iter().all(|pair| pair.target.is_some()) { Vec::new() } else { rows.infer_fields()? };
    let field =
        |pair: &Paired<'_>| match pair.target {
            Some(column) => {
                // The cast knows better than the encoder why a type cannot be loaded.
                cast(pair, true)?;
                columns::file_field(pair.name, column)
            }
            None => inferred.iter().find(|field| field.name() == pair.name).cloned().ok_or_else(|| {
                DeltaError::data(format!("the type of column `{}` cannot be told", pair.name))
            }),
        };
    pairs.iter().map(field).collect()
}

fn row_batches<'a>(rows: Box<dyn Rows + 'a>, fields: Vec<FieldRef>) -> BoxStream<'a, Result<RecordBatch>> {
    stream::unfold((rows, fields, 0), |(rows, fields, start)| async move {
        let end = rows.len().min(start + ROWS_AT_A_TIME);
        if start == end {
            return None;
        }
        tokio::task::yield_now().await;
        let batch = rows.encode(start..end, &fields);
        Some((batch, (rows, fields, end)))
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[derive(Serialize)]
    struct Row {
        #[serde(rename = "ID")]
        id: i64,
        deleted: bool,
    }

    fn schema() -> TableSchema {
        TableSchema::parse("id INT, price DECIMAL(10,2)").unwrap()
    }

    #[tokio::test]
    async fn all_rows_come_in_order_in_small_batches() {
        let data: Vec<_> = (0..10_000).map(|id| Row { id, deleted: false }).collect();
        let prepared = Input::rows(&data).for_merge(&schema()).await.unwrap();
        let batches: Vec<_> = prepared.batches.try_collect().await.unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [4_096, 4_096, 1_808]);
    }

    #[tokio::test]
    async fn a_write_needs_every_column_in_the_table_and_a_merge_does_not() {
        let data = [Row { id: 1, deleted: true }];
        let table = TableName::new("main", "weather", "days").unwrap();
        let refused = Input::rows(&data).for_table(&table, &schema()).await.err().unwrap();
        assert!(matches!(refused, DeltaError::UnknownColumn { column, .. } if column == "deleted"));
        let merge = Input::rows(&data).for_merge(&schema()).await.unwrap();
        let casts: Vec<_> = merge.casts.iter().map(CastColumn::to_sql).collect();
        assert_eq!(casts, ["CAST(`ID` AS INT) AS `id`", "`deleted`"]);
    }

    #[test]
    fn a_table_takes_wider_types_of_the_data_only_when_it_widens() {
        let data = [Row { id: 1, deleted: true }];
        let wanted = |widens| Input::rows(&data).wanted(&schema(), widens).unwrap();
        let columns =
            |widens| wanted(widens).columns.into_iter().map(|column| column.to_string()).collect::<Vec<_>>();
        assert_eq!(columns(false), ["`id` INT", "`price` DECIMAL(10,2)", "`deleted` BOOLEAN"]);
        assert_eq!(columns(true), ["`id` BIGINT", "`price` DECIMAL(10,2)", "`deleted` BOOLEAN"]);
    }

    #[tokio::test]
    async fn a_value_out_of_its_columns_range_is_an_error_and_not_a_wrong_value() {
        let data = [Row { id: i64::MAX, deleted: true }];
        let prepared = Input::rows(&data).for_merge(&schema()).await.unwrap();
        let error = prepared.batches.try_collect::<Vec<_>>().await.unwrap_err();
        assert!(matches!(error, DeltaError::Encode { first_row: 0, last_row: 0, .. }), "{error}");
    }
}
