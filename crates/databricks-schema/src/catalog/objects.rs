//! The objects of Unity Catalog that are a few words each: what a server always says of them, what it may say, and the
//! rest in `extra`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Declares an object: the words it always has, then those it may have.
macro_rules! object {
    (
        $(#[$about:meta])*
        $name:ident { $($(#[$doc:meta])* $field:ident,)* }
        may have { $($(#[$note:meta])* $option:ident,)* }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$doc])* pub $field: String,)*
            $(
                $(#[$note])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $option: Option<String>,
            )*
            /// What else the server said.
            #[serde(flatten)]
            pub extra: Map<String, Value>,
        }
    };
}

object! {
    /// A catalog.
    CatalogInfo {
        /// Its name.
        name,
    }
    may have {
        /// Who owns it.
        owner,
        /// Its comment.
        comment,
        /// Its kind: `MANAGED_CATALOG`, `FOREIGN_CATALOG`, ...
        catalog_type,
    }
}

object! {
    /// A schema.
    SchemaInfo {
        /// Its name.
        name,
        /// The catalog it is in.
        catalog_name,
    }
    may have {
        /// Who owns it.
        owner,
        /// Its comment.
        comment,
    }
}

object! {
    /// The name and kind of a table.
    TableSummary {
        /// `catalog.schema.table`, without quotes.
        full_name,
    }
    may have {
        /// Its kind: `MANAGED`, `EXTERNAL`, `VIEW`, ...
        table_type,
    }
}

object! {
    /// A function. Its parameters are in `extra`.
    FunctionInfo {
        /// Its name.
        name,
        /// The catalog it is in.
        catalog_name,
        /// The schema it is in.
        schema_name,
    }
    may have {
        /// The type of its result, as SQL writes it.
        full_data_type,
        /// Its body.
        routine_definition,
        /// Who owns it.
        owner,
        /// Its comment.
        comment,
    }
}

object! {
    /// A volume.
    VolumeInfo {
        /// Its name.
        name,
        /// The catalog it is in.
        catalog_name,
        /// The schema it is in.
        schema_name,
    }
    may have {
        /// Its kind: `MANAGED` or `EXTERNAL`.
        volume_type,
        /// Where its files are.
        storage_location,
        /// Who owns it.
        owner,
        /// Its comment.
        comment,
    }
}

impl VolumeInfo {
    /// Where the Files API and SQL find its files: `/Volumes/catalog/schema/volume`.
    pub fn path(&self) -> String {
        format!("/Volumes/{}/{}/{}", self.catalog_name, self.schema_name, self.name)
    }
}
