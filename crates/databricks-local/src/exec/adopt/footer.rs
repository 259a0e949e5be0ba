//! Whether a file is what this crate would have written: told by its footer alone.

use parquet::arrow::parquet_to_arrow_schema;
use parquet::basic::{Compression, Repetition, Type as Physical};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::properties::DEFAULT_CREATED_BY;

use super::Wanted;
use super::columns::Filling;

/// The number of the file's rows, where it is as wanted and has any.
pub(super) fn rows_if_wanted(wanted: &Wanted, footer: &ParquetMetaData, size: u64) -> Option<u64> {
    let file = footer.file_metadata();
    // Pages and statistics of the same writer mean the same; those of another have histories of their own.
    let is_ours = file.created_by() == Some(DEFAULT_CREATED_BY);
    let mut rows: u64 = 0;
    for group in footer.row_groups() {
        rows = rows.checked_add(u64::try_from(group.num_rows()).ok()?)?;
    }
    let is_whole = u64::try_from(file.num_rows()) == Ok(rows)
        && footer.row_groups().iter().flat_map(RowGroupMetaData::columns).all(|chunk| lies_in(chunk, size));
    let as_wanted = is_ours && is_whole && has_columns(wanted, footer) && passes_over_no_nan(footer);
    (rows > 0 && as_wanted).then_some(rows)
}

/// What stands in a data file's name for its compression.
pub(super) fn suffix(footer: &ParquetMetaData) -> &'static str {
    let first = footer.row_groups().first().and_then(|group| group.columns().first());
    match first.map(ColumnChunkMetaData::compression) {
        Some(Compression::SNAPPY) => ".snappy",
        Some(Compression::ZSTD(_)) => ".zstd",
        _ => "",
    }
}

/// Whether the pages lie in a file of this size, compressed in a way that is read here.
fn lies_in(chunk: &ColumnChunkMetaData, size: u64) -> bool {
    let read =
        matches!(chunk.compression(), Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::ZSTD(_));
    let start = u64::try_from(chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset()));
    let end = start.ok().zip(u64::try_from(chunk.compressed_size()).ok()).and_then(|(a, b)| a.checked_add(b));
    read && end.is_some_and(|end| end <= size)
}

/// Whether the file has columns of the table alone, each at most once and in the very form in which it is stored, and
/// all that the statement takes and no NULL may stand for. A column of the table that the file lacks must not be filled
/// with another one that it has.
fn has_columns(wanted: &Wanted, footer: &ParquetMetaData) -> bool {
    let file = footer.file_metadata();
    // Readers of this kind see what the Arrow schema in the footer says, all others what the Parquet schema does.
    let Ok(seen) = parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata()) else {
        return false;
    };
    let stored = file.schema_descr().root_schema().get_fields();
    let mut found = vec![false; wanted.fields.len()];
    for (stored, seen) in stored.iter().zip(seen.fields()) {
        let at = wanted.fields.iter().position(|field| field.name() == stored.name());
        let Some(at) = at.filter(|at| !found[*at]) else { return false };
        let field = &wanted.fields[at];
        let same_form =
            wanted.types[at].contains(stored) && seen.data_type().equals_datatype(field.data_type());
        let same_name = matches!(&wanted.fillings[at], Filling::Column(name) if name == field.name());
        if !same_form || !same_name || !(field.is_nullable() || has_no_null(stored.name(), footer)) {
            return false;
        }
        found[at] = true;
    }
    let is_there = |name: &str| stored.iter().any(|stored| stored.name() == name);
    let lacks = |at: usize| match &wanted.fillings[at] {
        Filling::Column(name) if is_there(name) => true,
        _ => !wanted.fields[at].is_nullable(),
    };
    !(0..found.len()).any(|at| !found[at] && lacks(at))
}

/// Whether the footer proves that a column of the table has no NULL.
fn has_no_null(column: &str, footer: &ParquetMetaData) -> bool {
    let schema = footer.file_metadata().schema_descr();
    let root = schema.root_schema().get_fields().iter().find(|field| field.name() == column);
    if root.is_some_and(|root| root.get_basic_info().repetition() == Repetition::REQUIRED) {
        return true;
    }
    let leaf = schema.columns().iter().position(|leaf| leaf.path().parts() == [column]);
    leaf.is_some_and(|leaf| {
        let counted = |group: &RowGroupMetaData| group.column(leaf).statistics()?.null_count_opt();
        footer.row_groups().iter().all(|group| counted(group) == Some(0))
    })
}

/// Whether the file keeps no statistics that pass over NaN. Nobody reads those of lists and maps.
fn passes_over_no_nan(footer: &ParquetMetaData) -> bool {
    footer.row_groups().iter().flat_map(RowGroupMetaData::columns).all(|chunk| {
        let floating = matches!(chunk.column_type(), Physical::FLOAT | Physical::DOUBLE);
        let silent = chunk.statistics().is_none() && chunk.column_index_offset().is_none();
        !floating || chunk.column_descr().max_rep_level() > 0 || silent
    })
}
