//! Where a column is.

use std::fmt;

use crate::quote;

/// The path of a column: its name, or the names that lead to a nested field, in which `element` stands for what an
/// array holds and `key` and `value` for what a map holds.
///
/// Equality and hashing are by letter; [`matches`](Self::matches) compares as Databricks does, in any case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnPath(Vec<String>);

impl ColumnPath {
    /// The path of a top-level column.
    pub fn column(name: impl Into<String>) -> Self {
        Self(vec![name.into()])
    }

    /// The path of these names, outermost first.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }

    /// Reads `` address.`zip code` ``, each name between backticks or not.
    ///
    /// # Errors
    /// [`SchemaError::InvalidName`](crate::SchemaError::InvalidName) for an empty name or a missing backtick.
    pub fn parse(text: &str) -> crate::Result<Self> {
        quote::split_name(text).map(Self)
    }

    /// This path and one name more.
    pub fn child(&self, name: impl Into<String>) -> Self {
        Self(self.0.iter().cloned().chain([name.into()]).collect())
    }

    /// The path of what holds this column: empty for a top-level column.
    pub fn parent(&self) -> Self {
        Self(self.0.split_last().map(|(_, parent)| parent.to_vec()).unwrap_or_default())
    }

    /// The last name; empty for the empty path.
    pub fn name(&self) -> &str {
        self.0.last().map(String::as_str).unwrap_or_default()
    }

    /// The top-level column it is in; empty for the empty path.
    pub fn root(&self) -> &str {
        self.0.first().map(String::as_str).unwrap_or_default()
    }

    /// The names, outermost first.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Whether it is a top-level column.
    pub fn is_top_level(&self) -> bool {
        self.0.len() == 1
    }

    /// Whether both lead to the same column: names match in any case.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(a, b)| same_name(a, b))
    }

    /// As SQL writes it: every name between backticks.
    pub fn to_sql(&self) -> String {
        quote::column_path(&self.0)
    }
}

/// For people: names in backticks only where they need them.
impl fmt::Display for ColumnPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let dot = if index > 0 { "." } else { "" };
            write!(f, "{dot}{}", quote::identifier_if_needed(name))?;
        }
        Ok(())
    }
}

impl From<&str> for ColumnPath {
    /// A top-level column of exactly this name.
    fn from(name: &str) -> Self {
        Self::column(name)
    }
}

/// Whether two names are one to Databricks.
pub(crate) fn same_name(a: &str, b: &str) -> bool {
    // Wide tables are compared name by name: no allocation where none is needed.
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    a.to_lowercase() == b.to_lowercase()
}
