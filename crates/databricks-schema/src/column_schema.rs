//! A column of a table, with all that DDL can say of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::print::print_suffix;
use crate::{DataType, StructField, quote};

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ColumnSchema {
    /// Its name, as written; names match case-insensitively.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// Whether it may be NULL.
    #[serde(default = "yes")]
    pub nullable: bool,
    /// Its comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The SQL expression of its value where an INSERT leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// How the table itself fills it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<Generated>,
    /// The function that readers see it through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<ColumnMask>,
}

/// How a table fills a column by itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Generated {
    /// `GENERATED ALWAYS AS (expression)`, from other columns of the row.
    Expression(String),
    /// `GENERATED .. AS IDENTITY`.
    Identity(Identity),
}

/// The numbers of an identity column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Whether an INSERT may not give the value itself (`ALWAYS`, not `BY DEFAULT`).
    pub always: bool,
    /// The first number.
    pub start: i64,
    /// The distance to the next; never 0.
    pub step: i64,
}

/// A column mask: the function that readers see the column through.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ColumnMask {
    /// The function's name, as SQL writes it.
    pub function: String,
    /// Other columns that are given to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub using_columns: Vec<String>,
}

fn yes() -> bool {
    true
}

impl ColumnSchema {
    /// A nullable column without a comment.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self {
            name: name.into(),
            data_type,
            nullable: true,
            comment: None,
            default: None,
            generated: None,
            mask: None,
        }
    }

    /// Whether it may be NULL.
    pub fn with_nullable(mut self, nullable: bool) -> Self {
        self.nullable = nullable;
        self
    }

    /// `NOT NULL`.
    pub fn not_null(self) -> Self {
        self.with_nullable(false)
    }

    /// With this comment.
    pub fn with_comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// With this SQL expression as its default. It is the caller's own SQL, and is not quoted.
    pub fn with_default(mut self, expression: impl Into<String>) -> Self {
        self.default = Some(expression.into());
        self
    }

    /// Filled by the table itself.
    pub fn with_generated(mut self, generated: Generated) -> Self {
        self.generated = Some(generated);
        self
    }

    /// Seen through this mask.
    pub fn with_mask(mut self, mask: ColumnMask) -> Self {
        self.mask = Some(mask);
        self
    }
}

/// DDL: `` `name` TYPE [NOT NULL] [GENERATED ..] [DEFAULT ..] [COMMENT '..'] [MASK ..] ``.
impl fmt::Display for ColumnSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", quote::identifier(&self.name), self.data_type)?;
        print_suffix(self.nullable, None, f)?;
        if let Some(generated) = &self.generated {
            write!(f, " GENERATED {generated}")?;
        }
        if let Some(default) = &self.default {
            write!(f, " DEFAULT {default}")?;
        }
        print_suffix(true, self.comment.as_deref(), f)?;
        match &self.mask {
            Some(mask) => write!(f, " MASK {mask}"),
            None => Ok(()),
        }
    }
}

/// What follows `GENERATED`.
impl fmt::Display for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expression(expression) => write!(f, "ALWAYS AS ({expression})"),
            Self::Identity(Identity { always, start, step }) => {
                let when = if *always { "ALWAYS" } else { "BY DEFAULT" };
                write!(f, "{when} AS IDENTITY (START WITH {start} INCREMENT BY {step})")
            }
        }
    }
}

/// What follows `MASK`.
impl fmt::Display for ColumnMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function)?;
        if self.using_columns.is_empty() {
            return Ok(());
        }
        write!(f, " USING COLUMNS ({})", quote::column_list(&self.using_columns))
    }
}

impl From<StructField> for ColumnSchema {
    fn from(field: StructField) -> Self {
        let StructField { name, data_type, nullable, comment } = field;
        Self { nullable, comment, ..Self::new(name, data_type) }
    }
}

impl From<ColumnSchema> for StructField {
    /// What a field cannot have (a default, a generation, a mask) is left out.
    fn from(column: ColumnSchema) -> Self {
        let ColumnSchema { name, data_type, nullable, comment, .. } = column;
        Self { name, data_type, nullable, comment }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::TableSchema;

    #[test]
    fn everything_a_column_can_say_reads_as_it_prints() {
        let columns = [
            ColumnSchema::new("id", DataType::BigInt)
                .not_null()
                .with_generated(Generated::Identity(Identity { always: true, start: -1, step: 5 }))
                .with_comment("it's"),
            ColumnSchema::new("at", DataType::Timestamp).with_default("current_timestamp()"),
            ColumnSchema::new("pair", DataType::String).with_default("concat('a, )', \"b\")"),
            ColumnSchema::new("set", DataType::Boolean).not_null().with_default("(1 IS NOT NULL)"),
            ColumnSchema::new("odd", DataType::Boolean).not_null().with_default("1 NOT IN (2) AND NOT false"),
            ColumnSchema::new("day", DataType::Date)
                .with_generated(Generated::Expression("CAST(at AS DATE)".into())),
            ColumnSchema::new("ssn", DataType::String).with_mask(ColumnMask {
                function: "main.safe.mask".into(),
                using_columns: vec!["id".into(), "a`b".into()],
            }),
        ];
        let schema = TableSchema::new(columns);
        insta::assert_snapshot!(schema.to_string().replace(", `", ",\n`"));
        assert_eq!(TableSchema::parse(&schema.to_string()).unwrap(), schema);
    }
}
