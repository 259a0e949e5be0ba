//! The table properties that evolution looks at and sets.

/// On: types can be widened.
pub(crate) const TYPE_WIDENING: &str = "delta.enableTypeWidening";
/// `name` or `id`: columns can be renamed and dropped, and names may hold any character.
pub(crate) const COLUMN_MAPPING: &str = "delta.columnMapping.mode";
/// `supported`: columns can have defaults.
pub(crate) const COLUMN_DEFAULTS: &str = "delta.feature.allowColumnDefaults";
/// `supported`: columns can be TIMESTAMP_NTZ. A table that is made with one has it, one that is given one has not.
pub(crate) const TIMESTAMP_NTZ: &str = "delta.feature.timestampNtz";
/// `supported`: columns can be VARIANT, as with TIMESTAMP_NTZ.
pub(crate) const VARIANT: &str = "delta.feature.variantType-preview";
/// The same feature under the name it has outside of previews.
pub(crate) const VARIANT_SETTLED: &str = "delta.feature.variantType";
/// On: three column names are taken.
pub(crate) const CHANGE_DATA_FEED: &str = "delta.enableChangeDataFeed";
/// On: Iceberg clients read the table, so that only changes which Iceberg knows can be made.
pub(crate) const ICEBERG_COMPATIBILITY: [&str; 2] =
    ["delta.enableIcebergCompatV1", "delta.enableIcebergCompatV2"];
/// What follows is the name of a CHECK constraint; the value is its expression.
pub(crate) const CHECK: &str = "delta.constraints.";
