//! Rows from serializable values.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::engine::{Column, StatementFailure};

/// The cells of one value, in the order of the columns. `at` counts the values from 0.
pub(super) fn row<T: Serialize>(
    columns: &[Column],
    at: usize,
    record: &T,
) -> Result<Vec<Value>, StatementFailure> {
    let wrong = |detail: String| {
        StatementFailure::internal(format!("The script is wrong: record {} {detail}", at + 1))
    };
    match serde_json::to_value(record).map_err(|error| wrong(format!("cannot be written: {error}")))? {
        Value::Object(fields) => by_name(columns, fields).map_err(wrong),
        Value::Array(cells) => Ok(cells),
        other => Err(wrong(format!("is {other}: a row is a struct, a map, a tuple or an array"))),
    }
}

/// Names are compared as SQL does, without case.
fn by_name(columns: &[Column], fields: Map<String, Value>) -> Result<Vec<Value>, String> {
    let mut row = vec![Value::Null; columns.len()];
    for (name, value) in fields {
        let index = columns.iter().position(|column| column.name.eq_ignore_ascii_case(&name));
        let cell = index.and_then(|index| row.get_mut(index));
        *cell.ok_or_else(|| format!("has a field '{name}', and no column is called so"))? = value;
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[derive(Serialize)]
    struct Order {
        note: Option<&'static str>,
        #[serde(rename = "ID")]
        id: i64,
        tags: Vec<u8>,
    }

    fn columns() -> [Column; 3] {
        [Column::new("id", "BIGINT"), Column::new("tags", "ARRAY<INT>"), Column::new("note", "STRING")]
    }

    #[test]
    fn fields_find_their_columns_and_tuples_their_places() {
        let order = Order { note: None, id: i64::MAX, tags: vec![1, 2] };
        assert_eq!(row(&columns(), 0, &order).unwrap(), [json!(i64::MAX), json!([1, 2]), json!(null)]);
        assert_eq!(row(&columns(), 0, &(1, "x")).unwrap(), [json!(1), json!("x")]);
        assert_eq!(row(&columns(), 0, &json!({ "tags": "t" })).unwrap()[1], json!("t"));
    }

    #[test]
    fn what_is_no_row_is_named() {
        let unknown = row(&columns(), 1, &json!({ "idd": 1 })).unwrap_err();
        assert!(unknown.message.contains("record 2 has a field 'idd'"), "{unknown}");
        assert!(row(&columns(), 0, &7).unwrap_err().message.contains("is 7: a row is a struct"));
        let odd: BTreeMap<(u8, u8), u8> = BTreeMap::from([((1, 2), 3)]);
        assert!(row(&columns(), 0, &odd).unwrap_err().message.contains("cannot be written"));
    }
}
