//! Full names in paths, and what each stands for.

use crate::access::{Privilege, Securable};
use crate::api_error::ApiFailure;
use crate::stores::CatalogObject;

/// The object of a path: `schemas` and `main.sales`.
pub(super) fn parse<'a>(kind: &str, name: &'a str) -> Result<CatalogObject<'a>, ApiFailure> {
    let object = object_of(kind.trim_end_matches('s'), name);
    object.ok_or_else(|| ApiFailure::invalid(format!("'{name}' is not the full name of one of the {kind}.")))
}

/// The object of a kind in the singular and in any case; `None` when the name does not fit.
pub(super) fn object_of<'a>(kind: &str, name: &'a str) -> Option<CatalogObject<'a>> {
    let parts: Vec<&str> = name.split('.').collect();
    match (kind.to_ascii_lowercase().as_str(), parts.as_slice()) {
        ("catalog", [catalog]) => Some(CatalogObject::Catalog(catalog)),
        ("schema", [catalog, schema]) => Some(CatalogObject::Schema(catalog, schema)),
        ("table", [catalog, schema, table]) => Some(CatalogObject::Table(catalog, schema, table)),
        ("volume", [catalog, schema, volume]) => Some(CatalogObject::Volume(catalog, schema, volume)),
        ("function", [catalog, schema, name]) => Some(CatalogObject::Function(catalog, schema, name)),
        _ => None,
    }
}

/// The object as grants know it.
pub(super) fn securable(object: CatalogObject<'_>) -> Securable {
    match object {
        CatalogObject::Catalog(catalog) => Securable::catalog(catalog),
        CatalogObject::Schema(catalog, schema) => Securable::schema(catalog, schema),
        CatalogObject::Table(catalog, schema, table) => Securable::table(catalog, schema, table),
        CatalogObject::Volume(catalog, schema, volume) => Securable::volume(catalog, schema, volume),
        // Functions have no grants of their own here: their schema's count.
        CatalogObject::Function(catalog, schema, _) => Securable::schema(catalog, schema),
    }
}

/// What it takes to read an object's description.
pub(super) fn read_privilege(object: CatalogObject<'_>) -> Privilege {
    match object {
        CatalogObject::Catalog(..) => Privilege::UseCatalog,
        CatalogObject::Schema(..) => Privilege::UseSchema,
        CatalogObject::Table(..) => Privilege::Select,
        CatalogObject::Volume(..) => Privilege::ReadVolume,
        CatalogObject::Function(..) => Privilege::Execute,
    }
}
