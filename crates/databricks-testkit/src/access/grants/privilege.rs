//! The privileges there are, under the names the API has for them.

use super::securable::SecurableType;

macro_rules! privileges {
    ($($(#[$doc:meta])* $variant:ident = $name:literal on $($kind:ident)|+;)+) => {
        /// What a principal may do with an object of Unity Catalog or with a warehouse.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Privilege { $($(#[$doc])* $variant),+ }

        impl Privilege {
            /// The API's name, such as `USE_CATALOG`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The privilege of an API name; SQL's spelling with spaces works too.
            pub fn parse(name: &str) -> Option<Self> {
                match name.to_ascii_uppercase().replace(' ', "_").as_str() {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// Whether it can be granted on such an object; what is granted above is inherited by what is below.
            pub fn applies_to(self, kind: SecurableType) -> bool {
                match self { $(Self::$variant => matches!(kind, $(SecurableType::$kind)|+)),+ }
            }
        }
    };
}

privileges! {
    /// All that applies, except MANAGE and EXTERNAL USE SCHEMA.
    AllPrivileges = "ALL_PRIVILEGES" on Catalog | Schema | Table | Volume;
    /// Setting tags.
    ApplyTag = "APPLY_TAG" on Catalog | Schema | Table | Volume;
    /// Seeing that the object is there.
    Browse = "BROWSE" on Catalog;
    /// Managing a SQL warehouse.
    CanManage = "CAN_MANAGE" on Warehouse;
    /// Running statements on a SQL warehouse.
    CanUse = "CAN_USE" on Warehouse;
    /// Making catalogs.
    CreateCatalog = "CREATE_CATALOG" on Metastore;
    /// Making functions.
    CreateFunction = "CREATE_FUNCTION" on Catalog | Schema;
    /// Making materialized views.
    CreateMaterializedView = "CREATE_MATERIALIZED_VIEW" on Catalog | Schema;
    /// Making models.
    CreateModel = "CREATE_MODEL" on Catalog | Schema;
    /// Making schemas.
    CreateSchema = "CREATE_SCHEMA" on Catalog;
    /// Making tables and views.
    CreateTable = "CREATE_TABLE" on Catalog | Schema;
    /// Making volumes.
    CreateVolume = "CREATE_VOLUME" on Catalog | Schema;
    /// Calling functions.
    Execute = "EXECUTE" on Catalog | Schema;
    /// Reading through the catalog's open interfaces.
    ExternalUseSchema = "EXTERNAL_USE_SCHEMA" on Catalog | Schema;
    /// Changing grants, owner and properties, and dropping.
    Manage = "MANAGE" on Catalog | Schema | Table | Volume;
    /// Changing rows.
    Modify = "MODIFY" on Catalog | Schema | Table;
    /// Reading files.
    ReadVolume = "READ_VOLUME" on Catalog | Schema | Volume;
    /// Refreshing materialized views.
    Refresh = "REFRESH" on Catalog | Schema | Table;
    /// Reading rows.
    Select = "SELECT" on Catalog | Schema | Table;
    /// Reaching what is in the catalog.
    UseCatalog = "USE_CATALOG" on Catalog;
    /// Reaching what is in the schema.
    UseSchema = "USE_SCHEMA" on Catalog | Schema;
    /// Writing files.
    WriteVolume = "WRITE_VOLUME" on Catalog | Schema | Volume;
}

impl Privilege {
    /// The name in messages and in SQL, such as `USE CATALOG`.
    pub(crate) fn words(self) -> String {
        self.as_str().replace('_', " ")
    }

    /// Whether holding `self` means holding `other`.
    pub(super) fn includes(self, other: Self) -> bool {
        match self {
            Self::AllPrivileges => !matches!(other, Self::Manage | Self::ExternalUseSchema),
            Self::CanManage => matches!(other, Self::CanUse | Self::CanManage),
            own => own == other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways_in_either_spelling() {
        assert_eq!(Privilege::parse("use catalog"), Some(Privilege::UseCatalog));
        assert_eq!(Privilege::parse(Privilege::ReadVolume.as_str()), Some(Privilege::ReadVolume));
        assert_eq!(Privilege::ReadVolume.words(), "READ VOLUME");
        assert_eq!(Privilege::parse("FLY"), None);
    }

    #[test]
    fn all_privileges_leave_managing_out() {
        assert!(Privilege::AllPrivileges.includes(Privilege::Select));
        assert!(!Privilege::AllPrivileges.includes(Privilege::Manage));
        assert!(!Privilege::Select.includes(Privilege::Modify));
        assert!(!Privilege::Select.applies_to(SecurableType::Volume));
        assert!(Privilege::Select.applies_to(SecurableType::Catalog));
    }
}
