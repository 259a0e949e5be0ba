//! Whole schemas.

use arrow::datatypes::{Field, Schema};

use super::{from_arrow_field, to_arrow_field};
use crate::{ColumnSchema, Result, StructField, TableSchema};

impl TableSchema {
    /// The Arrow schema of the table's rows, with comments and exact types in the fields' metadata.
    ///
    /// # Errors
    /// As [`to_arrow`](super::to_arrow).
    pub fn to_arrow(&self) -> Result<Schema> {
        let fields: Result<Vec<Field>> = self.columns.iter().map(ColumnSchema::to_arrow).collect();
        Ok(Schema::new(fields?))
    }

    /// The schema of a table that holds such rows.
    ///
    /// # Errors
    /// As [`from_arrow`](super::from_arrow).
    pub fn from_arrow(schema: &Schema) -> Result<Self> {
        schema.fields().iter().map(|field| from_arrow_field(field).map(ColumnSchema::from)).collect()
    }
}

impl ColumnSchema {
    /// The Arrow field of the column.
    ///
    /// # Errors
    /// As [`to_arrow`](super::to_arrow).
    pub fn to_arrow(&self) -> Result<Field> {
        to_arrow_field(&StructField::from(self.clone()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn schemas_survive_the_round_trip() {
        let schema = TableSchema::parse(
            "a TINYINT NOT NULL, b SMALLINT, c INT, d BIGINT COMMENT 'x', e FLOAT, f DOUBLE, g DECIMAL(38,18),
             h BOOLEAN, i STRING, j CHAR(3), k VARCHAR(7), l BINARY, m DATE, n TIMESTAMP, o TIMESTAMP_NTZ,
             p INTERVAL YEAR, q INTERVAL HOUR TO SECOND, r VARIANT, s VOID, t GEOGRAPHY(4326), u GEOMETRY(ANY),
             v ARRAY<VARCHAR(3)>, w MAP<CHAR(2), ARRAY<VARIANT>>,
             x STRUCT<a: INT NOT NULL COMMENT 'y', b: STRUCT<c: INTERVAL DAY>>",
        )
        .unwrap();
        let arrow = schema.to_arrow().unwrap();
        assert_eq!(TableSchema::from_arrow(&arrow).unwrap(), schema);
    }

    // At most one entry of metadata a field: their order is not fixed.
    #[test]
    fn arrow_spelling() {
        let schema = TableSchema::parse(
            "at TIMESTAMP NOT NULL COMMENT 'when', local TIMESTAMP_NTZ, prices MAP<STRING, DECIMAL(7,2)>, tags ARRAY<STRING>,
             span INTERVAL DAY TO SECOND, age INTERVAL YEAR TO MONTH",
        )
        .unwrap();
        let lines: Vec<String> = schema.to_arrow().unwrap().fields().iter().map(|f| f.to_string()).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
