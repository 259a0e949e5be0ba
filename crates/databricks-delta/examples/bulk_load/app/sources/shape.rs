//! What a look at a file shows of its columns.

use arrow::datatypes::DataType as Arrow;
use serde_json::Value;

use super::guess::{self, Guess};
use super::kind::Kind;

/// The columns of a file, as far as a look shows them.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    pub(crate) columns: Vec<Seen>,
    /// Whether other columns may show up later in the file.
    pub(crate) is_open: bool,
}

/// A column as it was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) name: String,
    pub(crate) values: Values,
}

/// What its values are.
#[derive(Debug)]
pub(crate) enum Values {
    /// Text and numbers.
    Plain(Guess),
    /// Some arrays or objects, and perhaps other values: of those that are alike, one, and of its texts and numbers only
    /// what they are.
    Nested(Vec<Value>),
    /// Of a type that the file declares.
    Typed(Arrow),
}

impl Shape {
    /// Adds a column of text.
    pub(crate) fn add(&mut self, name: &str) {
        self.columns.push(Seen { name: name.to_owned(), values: Values::Plain(Guess::default()) });
    }

    /// The column of this name, which is added when it was not there.
    pub(crate) fn column(&mut self, name: &str) -> &mut Values {
        let index = self.columns.iter().position(|seen| seen.name == name).unwrap_or_else(|| {
            self.add(name);
            self.columns.len() - 1
        });
        &mut self.columns[index].values
    }
}

impl Values {
    /// Takes a JSON value into account.
    pub(crate) fn see(&mut self, value: Value) {
        match (self, value) {
            (_, Value::Null) => {}
            (Self::Nested(values), value) => {
                let value = outline(value);
                if !values.contains(&value) {
                    values.push(value);
                }
            }
            (this @ Self::Plain(_), value @ (Value::Array(_) | Value::Object(_))) => {
                // Those before it were plain: with them, the type cannot be told.
                let before = matches!(this, Self::Plain(guess) if *guess != Guess::default());
                let before = before.then_some(Value::Bool(true));
                *this = Self::Nested(before.into_iter().chain([outline(value)]).collect());
            }
            (Self::Plain(guess), Value::String(_)) => guess.see_text(),
            (Self::Plain(guess), value) => guess.see(&value.to_string()),
            (Self::Typed(_), _) => {}
        }
    }
}

/// The value with all texts the same, and all numbers of a type. A number that no type of numbers holds is a text.
fn outline(value: Value) -> Value {
    match value {
        Value::String(_) => Value::from(""),
        Value::Bool(_) => Value::from(true),
        Value::Number(number) if number.is_i64() => Value::from(0),
        Value::Number(number) if guess::is_of(&Kind::Double, &number.to_string()) => Value::from(0.5),
        Value::Number(_) => Value::from(""),
        Value::Array(elements) => {
            let mut outlines: Vec<Value> = Vec::new();
            for element in elements.into_iter().map(outline) {
                if !outlines.contains(&element) {
                    outlines.push(element);
                }
            }
            Value::Array(outlines)
        }
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name, outline(value))).collect())
        }
        Value::Null => Value::Null,
    }
}
