//! The objects privileges are granted on, and what each is part of.

use std::fmt;

/// The kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SecurableType {
    /// The root above all catalogs.
    Metastore,
    /// A catalog.
    Catalog,
    /// A schema.
    Schema,
    /// A table or view.
    Table,
    /// A volume.
    Volume,
    /// A SQL warehouse. It belongs to the workspace, not to Unity Catalog.
    Warehouse,
}

impl SecurableType {
    /// The API's name, such as `CATALOG`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Metastore => "METASTORE",
            Self::Catalog => "CATALOG",
            Self::Schema => "SCHEMA",
            Self::Table => "TABLE",
            Self::Volume => "VOLUME",
            Self::Warehouse => "WAREHOUSE",
        }
    }

    /// The name in messages, such as `Catalog`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Metastore => "Metastore",
            Self::Catalog => "Catalog",
            Self::Schema => "Schema",
            Self::Table => "Table",
            Self::Volume => "Volume",
            Self::Warehouse => "SQL warehouse",
        }
    }
}

/// One object. Names match case-insensitively, as Unity Catalog has them.
///
/// ```
/// use databricks_testkit::Securable;
/// let table = Securable::table("main", "Sales", "orders");
/// assert_eq!(table.full_name(), "main.sales.orders");
/// assert_eq!(table.parent(), Some(Securable::schema("main", "sales")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Securable {
    kind: SecurableType,
    parts: Vec<String>,
}

impl Securable {
    fn new(kind: SecurableType, parts: &[&str]) -> Self {
        Self { kind, parts: parts.iter().map(|part| part.to_lowercase()).collect() }
    }

    /// The metastore, which all catalogs are in.
    pub fn metastore() -> Self {
        Self::new(SecurableType::Metastore, &[])
    }

    /// A catalog.
    pub fn catalog(catalog: &str) -> Self {
        Self::new(SecurableType::Catalog, &[catalog])
    }

    /// A schema.
    pub fn schema(catalog: &str, schema: &str) -> Self {
        Self::new(SecurableType::Schema, &[catalog, schema])
    }

    /// A table or view.
    pub fn table(catalog: &str, schema: &str, table: &str) -> Self {
        Self::new(SecurableType::Table, &[catalog, schema, table])
    }

    /// A volume.
    pub fn volume(catalog: &str, schema: &str, volume: &str) -> Self {
        Self::new(SecurableType::Volume, &[catalog, schema, volume])
    }

    /// A SQL warehouse.
    pub fn warehouse(id: &str) -> Self {
        Self::new(SecurableType::Warehouse, &[id])
    }

    /// What kind of object it is.
    pub fn kind(&self) -> SecurableType {
        self.kind
    }

    /// The name with those of its parents in front: `main.sales.orders`. Empty for the metastore.
    pub fn full_name(&self) -> String {
        self.parts.join(".")
    }

    /// What it is part of.
    pub fn parent(&self) -> Option<Self> {
        let kind = match self.kind {
            SecurableType::Metastore | SecurableType::Warehouse => return None,
            SecurableType::Catalog => SecurableType::Metastore,
            SecurableType::Schema => SecurableType::Catalog,
            SecurableType::Table | SecurableType::Volume => SecurableType::Schema,
        };
        let parts = self.parts.split_last().map(|(_, rest)| rest.to_vec()).unwrap_or_default();
        Some(Self { kind, parts })
    }

    /// Itself and what it is part of, from below.
    pub(super) fn chain(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self.clone()), Self::parent)
    }

    /// Whether it is `other` or in it.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.chain().any(|part| part == *other)
    }
}

/// As messages name it: `Schema 'main.sales'`.
impl fmt::Display for Securable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            SecurableType::Metastore => f.write_str("Metastore"),
            kind => write!(f, "{} '{}'", kind.word(), self.full_name()),
        }
    }
}
