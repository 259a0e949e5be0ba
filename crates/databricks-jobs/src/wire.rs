//! How the API's JSON stands in types: records that keep what they do not know, words that the server may add to.
//!
//! What is read and written again equals what was read, fields of a newer API included: an absent field stays absent, an
//! empty list stays an empty list. (A `null` reads as absent, which is what it means in this API.)

/// Declares records: `Name(required: Type) { kind optional: Type }`. Each gets `new(required..)`, a setter for every optional
/// field, and `extra` for the fields that this crate does not know.
///
/// The kind of an optional field says what its setter takes: `opt` anything that becomes the type, `val` the type itself,
/// `list` the items of a `Vec`, `map` the pairs of a map with text keys. A `bare` field has a setter written by hand.
macro_rules! records {
    ($( $(#[$meta:meta])* $name:ident ($($required:tt)*) { $($optional:tt)* } )*) => {
        $( $crate::wire::record! { $(#[$meta])* $name ($($required)*) { $($optional)* } } )*
    };
}

/// One record of [`records`].
macro_rules! record {
    ($(#[$meta:meta])* $name:ident () { $($optional:tt)* }) => {
        $crate::wire::record! { @type $(#[$meta])* #[derive(Default)] $name () { $($optional)* } }
    };
    ($(#[$meta:meta])* $name:ident ($($required:tt)+) { $($optional:tt)* }) => {
        $crate::wire::record! { @type $(#[$meta])* $name ($($required)+) { $($optional)* } }
    };
    (
        @type
        $(#[$meta:meta])*
        $name:ident ( $( $(#[$about:meta])* $required:ident : $needs:ty ),* $(,)? )
        { $( $(#[$doc:meta])* $kind:ident $field:ident : $ty:ty ),* $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[non_exhaustive]
        pub struct $name {
            $( $(#[$about])* pub $required: $needs, )*
            $(
                $(#[$doc])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $field: Option<$crate::wire::field!($kind $ty)>,
            )*
            /// Fields that this crate does not know, as they are.
            #[serde(flatten)]
            pub extra: serde_json::Map<String, serde_json::Value>,
        }

        impl $name {
            /// One with what it needs, and nothing else set.
            pub fn new($( $required: impl Into<$needs> ),*) -> Self {
                Self {
                    $( $required: $required.into(), )*
                    $( $field: None, )*
                    extra: serde_json::Map::new(),
                }
            }

            $( $crate::wire::setter! { $(#[$doc])* $kind $field : $ty } )*
        }
    };
}

/// The type of an optional field.
macro_rules! field {
    (list $ty:ty) => { Vec<$ty> };
    (map $ty:ty) => { std::collections::BTreeMap<String, $ty> };
    ($kind:ident $ty:ty) => { $ty };
}

/// The setter of an optional field.
macro_rules! setter {
    ($(#[$doc:meta])* bare $field:ident : $ty:ty) => {};
    ($(#[$doc:meta])* opt $field:ident : $ty:ty) => {
        $(#[$doc])*
        pub fn $field(mut self, value: impl Into<$ty>) -> Self {
            self.$field = Some(value.into());
            self
        }
    };
    ($(#[$doc:meta])* val $field:ident : $ty:ty) => {
        $(#[$doc])*
        pub fn $field(mut self, value: $ty) -> Self {
            self.$field = Some(value);
            self
        }
    };
    ($(#[$doc:meta])* list $field:ident : $ty:ty) => {
        $(#[$doc])*
        pub fn $field(mut self, values: impl IntoIterator<Item = impl Into<$ty>>) -> Self {
            self.$field = Some(values.into_iter().map(Into::into).collect());
            self
        }
    };
    ($(#[$doc:meta])* map $field:ident : $ty:ty) => {
        $(#[$doc])*
        pub fn $field(
            mut self,
            pairs: impl IntoIterator<Item = (impl Into<String>, impl Into<$ty>)>,
        ) -> Self {
            let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
            self.$field = Some(pairs.collect());
            self
        }
    };
}

/// Declares enums whose words the server may add to: an unknown one is kept as it is.
macro_rules! words {
    ($(
        $(#[$meta:meta])*
        $name:ident { $( $(#[$doc:meta])* $variant:ident = $word:literal ),* $(,)? }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$doc])* $variant, )*
            /// A word that this crate does not know.
            Unknown(String),
        }

        impl $name {
            /// The API's word.
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $word, )*
                    Self::Unknown(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $( $word => Self::$variant, )*
                    other => Self::Unknown(other.to_owned()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Ok(Self::from(word.as_ref()))
            }
        }
    )*};
}

pub(crate) use {field, record, records, setter, words};
