//! The formats in which rows are written.

use std::collections::HashSet;
use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::ipc::writer::StreamWriter;

use super::args::Format;
use super::cell;

/// Rows of a table between two headers: a table is laid out in memory, so a long result is several.
const TABLE_ROWS: usize = 1_000;

/// Where batches go.
pub(crate) trait Output {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()>;

    /// Writes what is still held.
    fn end(&mut self) -> io::Result<()>;
}

pub(crate) fn open<'w>(
    format: Format,
    schema: &Schema,
    out: &'w mut dyn Write,
) -> io::Result<Box<dyn Output + 'w>> {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    Ok(match format {
        Format::Json => Box::new(Json::new(&names, out)?),
        Format::Csv => Box::new(Csv::new(&names, out)?),
        Format::Table => Box::new(Table::new(&names, out)),
        Format::Arrow => {
            Box::new(Arrow { writer: StreamWriter::try_new(out, schema).map_err(io::Error::other)? })
        }
        Format::None => Box::new(Nothing),
    })
}

/// One object a line.
struct Json<'w> {
    out: &'w mut dyn Write,
    /// `{"first":`, `,"second":`, ..
    labels: Vec<Vec<u8>>,
    buffer: Vec<u8>,
}

impl<'w> Json<'w> {
    fn new(names: &[&str], out: &'w mut dyn Write) -> io::Result<Self> {
        let mut labels = Vec::new();
        for (at, name) in distinct(names).iter().enumerate() {
            let mut label = vec![if at == 0 { b'{' } else { b',' }];
            cell::quoted(&mut label, name)?;
            label.push(b':');
            labels.push(label);
        }
        Ok(Self { out, labels, buffer: Vec::new() })
    }
}

impl Output for Json<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        for row in 0..batch.num_rows() {
            self.buffer.clear();
            for (label, column) in self.labels.iter().zip(batch.columns()) {
                self.buffer.extend_from_slice(label);
                cell::json(&mut self.buffer, column.as_ref(), row)?;
            }
            self.buffer.extend_from_slice(b"}\n");
            self.out.write_all(&self.buffer)?;
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Names that an object can hold beside each other: the second `a` is `a_2`.
fn distinct(names: &[&str]) -> Vec<String> {
    let mut taken: HashSet<String> = HashSet::new();
    let given: HashSet<&str> = names.iter().copied().collect();
    let mut out = Vec::with_capacity(names.len());
    for name in names {
        let mut free = (*name).to_owned();
        let mut number = 2_usize;
        while taken.contains(&free) || (free != *name && given.contains(free.as_str())) {
            free = format!("{name}_{number}");
            number += 1;
        }
        taken.insert(free.clone());
        out.push(free);
    }
    out
}

/// Comma-separated values with a header.
struct Csv<'w> {
    writer: csv::Writer<&'w mut dyn Write>,
}

impl<'w> Csv<'w> {
    fn new(names: &[&str], out: &'w mut dyn Write) -> io::Result<Self> {
        let mut writer = csv::Writer::from_writer(out);
        if !names.is_empty() {
            writer.write_record(names).map_err(io::Error::from)?;
        }
        Ok(Self { writer })
    }
}

impl Output for Csv<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        for row in 0..batch.num_rows() {
            for column in batch.columns() {
                let cell = cell::plain(column.as_ref(), row)?;
                self.writer.write_field(cell.as_deref().unwrap_or_default()).map_err(io::Error::from)?;
            }
            self.writer.write_record(None::<&[u8]>).map_err(io::Error::from)?;
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// For eyes.
struct Table<'w> {
    out: &'w mut dyn Write,
    names: Vec<String>,
    table: comfy_table::Table,
    rows: usize,
    written: bool,
}

impl<'w> Table<'w> {
    fn new(names: &[&str], out: &'w mut dyn Write) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Self { out, table: headed(&names), names, rows: 0, written: false }
    }

    fn write(&mut self) -> io::Result<()> {
        let table = std::mem::replace(&mut self.table, headed(&self.names));
        (self.rows, self.written) = (0, true);
        writeln!(self.out, "{table}")
    }
}

fn headed(names: &[String]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.set_header(names);
    table
}

/// Control characters would be obeyed by a terminal: all but line breaks are shown instead.
fn harmless(cell: String) -> String {
    if !cell.chars().any(|c| c.is_control() && c != '\n') {
        return cell;
    }
    let shown =
        |c: char| if c.is_control() && c != '\n' { c.escape_debug().to_string() } else { c.to_string() };
    cell.chars().map(shown).collect()
}

impl Output for Table<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|column| cell::plain(column.as_ref(), row));
            let cells: Vec<Option<String>> = cells.collect::<io::Result<_>>()?;
            self.table
                .add_row(cells.into_iter().map(|cell| cell.map_or_else(|| "NULL".to_owned(), harmless)));
            self.rows += 1;
            if self.rows == TABLE_ROWS {
                self.write()?;
            }
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        if !self.names.is_empty() && (self.rows > 0 || !self.written) {
            self.write()?;
        }
        self.out.flush()
    }
}

/// An Arrow IPC stream.
struct Arrow<'w> {
    writer: StreamWriter<&'w mut dyn Write>,
}

impl Output for Arrow<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        self.writer.write(batch).map_err(io::Error::other)
    }

    fn end(&mut self) -> io::Result<()> {
        self.writer.finish().map_err(io::Error::other)?;
        self.writer.get_mut().flush()
    }
}

/// Rows that are read and not written.
struct Nothing;

impl Output for Nothing {
    fn batch(&mut self, _: &RecordBatch) -> io::Result<()> {
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_an_object_are_distinct() {
        assert_eq!(distinct(&["a", "a", "a_2", "a", ""]), ["a", "a_3", "a_2", "a_4", ""]);
        assert_eq!(distinct(&["", ""]), ["", "_2"]);
    }

    #[test]
    fn terminal_does_not_obey_a_cell() {
        assert_eq!(harmless("a\u{1b}[31m\tb\nc é".to_owned()), "a\\u{1b}[31m\\tb\nc é");
    }
}
