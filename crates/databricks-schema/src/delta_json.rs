//! Schemas as Delta's log and Unity Catalog's `type_json` write them: Spark's JSON.
//!
//! Source: the Delta protocol, "Schema Serialization Format"; `CHAR` and `VARCHAR` are strings there, whose field names
//! the type in its metadata.

use serde_json::{Map, Value, json};

use crate::{
    ColumnSchema, DataType, Generated, Identity, MAX_DEPTH, Result, SchemaError, StructField, TableSchema,
};

/// Metadata of a field: the type of a `CHAR` or `VARCHAR`, or of one that holds some. It lacks the comments and the NOT
/// NULL of what is nested.
const CHAR_TYPE: &str = "__CHAR_VARCHAR_TYPE_STRING";
const COMMENT: &str = "comment";
const DEFAULT: &str = "CURRENT_DEFAULT";
const EXPRESSION: &str = "delta.generationExpression";
const IDENTITY_START: &str = "delta.identity.start";
const IDENTITY_STEP: &str = "delta.identity.step";
const IDENTITY_BY_DEFAULT: &str = "delta.identity.allowExplicitInsert";

impl DataType {
    /// Reads a type from Delta's JSON: `"long"`, `{"type":"array","elementType":"string","containsNull":true}`.
    ///
    /// # Errors
    /// [`SchemaError::UnreadableJson`] or [`SchemaError::UnreadableType`] naming what is not understood; [`SchemaError::TypeTooDeep`].
    pub fn from_delta_json(value: &Value) -> Result<Self> {
        read_type(value, 0)
    }

    /// The type in Delta's JSON. `CHAR` and `VARCHAR` are `"string"`: only a field can name them.
    pub fn to_delta_json(&self) -> Value {
        match self {
            Self::SmallInt | Self::TinyInt | Self::BigInt => json!(self.type_name().to_ascii_lowercase()),
            Self::Int => json!("integer"),
            Self::Char(_) | Self::Varchar(_) => json!("string"),
            Self::Array(element) => {
                json!({"type": "array", "elementType": element.to_delta_json(), "containsNull": true})
            }
            Self::Map(key, value) => json!({
                "type": "map",
                "keyType": key.to_delta_json(),
                "valueType": value.to_delta_json(),
                "valueContainsNull": true,
            }),
            Self::Struct(fields) => {
                let fields: Vec<Value> = fields.iter().map(write_field).collect();
                json!({"type": "struct", "fields": fields})
            }
            Self::Unknown(text) => json!(text),
            scalar => json!(scalar.to_string().to_ascii_lowercase()),
        }
    }

    /// What a field's metadata says of a type that is a `CHAR` or `VARCHAR`, or holds some: Spark looks for it at the
    /// column, at whatever depth they are.
    fn char_text(&self) -> Option<String> {
        if !self.any(&|part| matches!(part, Self::Char(_) | Self::Varchar(_))) {
            return None;
        }
        // Names and comments of fields keep their letters.
        let has_names = self.any(&|part| matches!(part, Self::Struct(_)));
        let text = self.to_string();
        Some(if has_names { text } else { text.to_ascii_lowercase() })
    }
}

impl ColumnSchema {
    /// Reads a column from a field of Delta's JSON, with the default, the generation and the comment its metadata
    /// tells.
    ///
    /// # Errors
    /// As [`DataType::from_delta_json`].
    pub fn from_delta_json(value: &Value) -> Result<Self> {
        let mut column = Self::from(read_field(value, 0)?);
        let Some(metadata) = value.get("metadata") else { return Ok(column) };
        column.default = text(metadata, DEFAULT);
        column.generated = match (text(metadata, EXPRESSION), number(metadata, IDENTITY_STEP)) {
            (Some(expression), _) => Some(Generated::Expression(expression)),
            (None, Some(step)) => Some(Generated::Identity(Identity {
                always: metadata.get(IDENTITY_BY_DEFAULT) != Some(&json!(true)),
                start: number(metadata, IDENTITY_START).unwrap_or(1),
                step,
            })),
            (None, None) => None,
        };
        Ok(column)
    }

    /// The column as a field of Delta's JSON. A mask is no part of it.
    pub fn to_delta_json(&self) -> Value {
        let mut field = write_parts(&self.name, &self.data_type, self.nullable, self.comment.as_deref());
        if let Some(metadata) = field.get_mut("metadata").and_then(Value::as_object_mut) {
            if let Some(default) = &self.default {
                metadata.insert(DEFAULT.to_owned(), json!(default));
            }
            match &self.generated {
                Some(Generated::Expression(expression)) => {
                    metadata.insert(EXPRESSION.to_owned(), json!(expression));
                }
                Some(Generated::Identity(identity)) => {
                    metadata.insert(IDENTITY_START.to_owned(), json!(identity.start));
                    metadata.insert(IDENTITY_STEP.to_owned(), json!(identity.step));
                    metadata.insert(IDENTITY_BY_DEFAULT.to_owned(), json!(!identity.always));
                }
                None => {}
            }
        }
        field
    }
}

impl TableSchema {
    /// Reads the `schemaString` of a Delta log's `metaData`.
    ///
    /// # Errors
    /// [`SchemaError::UnreadableJson`] for text that is no JSON, [`SchemaError::UnreadableType`] for types that are not
    /// understood;
    /// [`SchemaError::DuplicateColumn`].
    pub fn from_delta_json(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| SchemaError::unreadable_json(text, format!("it is no JSON: {error}")))?;
        let fields = member(&value, "fields")?.as_array().ok_or_else(|| invalid_value(&value, "`fields`"))?;
        let columns: Result<Vec<ColumnSchema>> = fields.iter().map(ColumnSchema::from_delta_json).collect();
        let schema = Self { columns: columns? };
        schema.check_duplicates()?;
        Ok(schema)
    }

    /// The schema as the `schemaString` of a Delta log's `metaData`.
    pub fn to_delta_json(&self) -> String {
        let fields: Vec<Value> = self.columns.iter().map(ColumnSchema::to_delta_json).collect();
        json!({"type": "struct", "fields": fields}).to_string()
    }
}

fn read_type(value: &Value, depth: usize) -> Result<DataType> {
    if depth > MAX_DEPTH {
        return Err(SchemaError::TypeTooDeep { limit: MAX_DEPTH });
    }
    if let Some(name) = value.as_str() {
        return if name == "null" { Ok(DataType::Void) } else { DataType::parse(name) };
    }
    match member(value, "type")?.as_str() {
        Some("array") => Ok(DataType::array(read_type(member(value, "elementType")?, depth + 1)?)),
        Some("map") => Ok(DataType::map(
            read_type(member(value, "keyType")?, depth + 1)?,
            read_type(member(value, "valueType")?, depth + 1)?,
        )),
        Some("struct") => {
            let fields =
                member(value, "fields")?.as_array().ok_or_else(|| invalid_value(value, "`fields`"))?;
            let fields: Result<Vec<_>> = fields.iter().map(|field| read_field(field, depth + 1)).collect();
            Ok(DataType::Struct(fields?))
        }
        _ => Err(invalid_value(value, "a type that is an array, a map or a struct")),
    }
}

fn read_field(value: &Value, depth: usize) -> Result<StructField> {
    let name = text(value, "name").ok_or_else(|| invalid_value(value, "`name`"))?;
    let metadata = value.get("metadata").unwrap_or(&Value::Null);
    let mut data_type = read_type(member(value, "type")?, depth)?;
    if let Some(exact) = text(metadata, CHAR_TYPE) {
        data_type = with_chars(data_type, DataType::parse(&exact)?);
    }
    let nullable = value.get("nullable").and_then(Value::as_bool).unwrap_or(true);
    Ok(StructField { name, data_type, nullable, comment: text(metadata, COMMENT) })
}

/// The type with the `CHAR` and `VARCHAR` of the other in the place of its strings.
fn with_chars(read: DataType, exact: DataType) -> DataType {
    match (read, exact) {
        (DataType::String, exact @ (DataType::Char(_) | DataType::Varchar(_))) => exact,
        (DataType::Array(read), DataType::Array(exact)) => DataType::array(with_chars(*read, *exact)),
        (DataType::Map(key, value), DataType::Map(exact_key, exact_value)) => {
            DataType::map(with_chars(*key, *exact_key), with_chars(*value, *exact_value))
        }
        (DataType::Struct(read), DataType::Struct(exact)) if read.len() == exact.len() => {
            let fields = read.into_iter().zip(exact).map(|(field, exact)| StructField {
                data_type: with_chars(field.data_type, exact.data_type),
                ..field
            });
            DataType::Struct(fields.collect())
        }
        (read, _) => read,
    }
}

fn write_field(field: &StructField) -> Value {
    write_parts(&field.name, &field.data_type, field.nullable, field.comment.as_deref())
}

fn write_parts(name: &str, data_type: &DataType, nullable: bool, comment: Option<&str>) -> Value {
    let mut metadata = Map::new();
    if let Some(comment) = comment {
        metadata.insert(COMMENT.to_owned(), json!(comment));
    }
    if let Some(text) = data_type.char_text() {
        metadata.insert(CHAR_TYPE.to_owned(), json!(text));
    }
    json!({"name": name, "type": data_type.to_delta_json(), "nullable": nullable, "metadata": metadata})
}

fn member<'a>(value: &'a Value, name: &str) -> Result<&'a Value> {
    value.get(name).ok_or_else(|| invalid_value(value, &format!("`{name}`")))
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

fn number(value: &Value, name: &str) -> Option<i64> {
    value.get(name)?.as_i64()
}

fn invalid_value(value: &Value, wanted: &str) -> SchemaError {
    SchemaError::unreadable_json(&value.to_string(), format!("expected {wanted}, as Delta writes schemas"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn schemas_read_as_they_are_written() {
        let schema = TableSchema::parse(
            "a TINYINT NOT NULL, b SMALLINT, c INT, d BIGINT COMMENT 'x', e FLOAT, f DOUBLE, g DECIMAL(38,18),
             h BOOLEAN DEFAULT true, i STRING, j CHAR(3), k VARCHAR(7), l BINARY, m DATE GENERATED ALWAYS AS (CAST(n AS DATE)),
             n TIMESTAMP, o TIMESTAMP_NTZ, p INTERVAL YEAR, q INTERVAL HOUR TO SECOND, r VARIANT, s VOID,
             t GEOGRAPHY(4326), u GEOMETRY(ANY), v ARRAY<VARCHAR(3)>, w MAP<CHAR(2), ARRAY<VARIANT>>,
             x STRUCT<a: INT NOT NULL COMMENT 'y', b: STRUCT<c: VARCHAR(2)>>,
             z MAP<VARCHAR(2), STRUCT<Name: INT NOT NULL COMMENT 'It'>>,
             y BIGINT GENERATED BY DEFAULT AS IDENTITY (START WITH 10 INCREMENT BY -2)",
        )
        .unwrap();
        assert_eq!(TableSchema::from_delta_json(&schema.to_delta_json()).unwrap(), schema);
    }

    #[test]
    fn what_spark_writes_is_read() {
        let text = r#"{"type":"struct","fields":[
            {"name":"id","type":"long","nullable":false,"metadata":{"comment":"key","delta.columnMapping.id":1}},
            {"name":"n","type":"null","nullable":true,"metadata":{}},
            {"name":"tags","type":{"type":"map","keyType":"string","valueType":{"type":"array",
                "elementType":"integer","containsNull":false},"valueContainsNull":true},"nullable":true,"metadata":{}},
            {"name":"code","type":"string","nullable":true,"metadata":{"__CHAR_VARCHAR_TYPE_STRING":"varchar(4)"}}]}"#;
        let schema = TableSchema::from_delta_json(text).unwrap();
        assert_eq!(
            schema.to_string(),
            "`id` BIGINT NOT NULL COMMENT 'key', `n` VOID, `tags` MAP<STRING, ARRAY<INT>>, `code` VARCHAR(4)"
        );
    }

    /// Spark names the whole type of a column that holds some, without what is said of its fields.
    #[test]
    fn char_and_varchar_inside_of_structs_leave_their_fields_as_they_are() {
        let text = r#"{"type":"struct","fields":[{"name":"s","type":{"type":"struct","fields":[
            {"name":"Code","type":"string","nullable":false,"metadata":{"comment":"It"}},
            {"name":"n","type":"long","nullable":true,"metadata":{}}]},"nullable":true,
            "metadata":{"__CHAR_VARCHAR_TYPE_STRING":"struct<Code:varchar(4),n:bigint>"}}]}"#;
        let schema = TableSchema::from_delta_json(text).unwrap();
        assert_eq!(schema.to_string(), "`s` STRUCT<Code: VARCHAR(4) NOT NULL COMMENT 'It', n: BIGINT>");
        let written: Value = serde_json::from_str(&schema.to_delta_json()).unwrap();
        let told = written["fields"][0]["metadata"][CHAR_TYPE].as_str().unwrap();
        assert_eq!(DataType::parse(told).unwrap(), schema.columns[0].data_type);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (text, named) in [
            ("{", "no JSON"),
            ("{}", "`fields`"),
            (r#"{"fields":[{"type":"long"}]}"#, "`name`"),
            (r#"{"fields":[{"name":"a","type":"udt"}]}"#, "`udt`"),
            (r#"{"fields":[{"name":"a","type":{"type":"udt","class":"X"}}]}"#, "udt"),
            (r#"{"fields":[{"name":"a","type":{"type":"array"}}]}"#, "`elementType`"),
        ] {
            let error = TableSchema::from_delta_json(text).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
        let deep =
            (0..MAX_DEPTH + 1).fold(json!("long"), |inner, _| json!({"type":"array","elementType":inner}));
        assert!(matches!(DataType::from_delta_json(&deep), Err(SchemaError::TypeTooDeep { .. })));
    }
}
