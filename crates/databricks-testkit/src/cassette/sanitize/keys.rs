//! What is removed because of the name it stands under: in JSON, in forms, in queries.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::known::{Known, USER};
use super::shapes::REDACTED;
use super::text::{EMAIL, RESERVED, STORAGE_HOST, WORKSPACE_ID, clean, edited};
use super::{assignments, json_text, names};

/// Names of credentials, without `_`, `-` and `.`, in lower case. Those that end in a telling word are in [`names`].
const CREDENTIALS: [&str; 33] = [
    "accesskey",
    "accesskeyid",
    "accesstoken",
    "apikey",
    "assertion",
    "authorization",
    "awsaccesskeyid",
    "awssecretaccesskey",
    "azureclientsecret",
    "azuresaskey",
    "bearertoken",
    "clientassertion",
    "clientsecret",
    "codeverifier",
    "connectionstring",
    "idtoken",
    "oauthtoken",
    "password",
    "privatekey",
    "refreshtoken",
    "sastoken",
    "sasuri",
    "secret",
    "secretaccesskey",
    "secretkey",
    "sessiontoken",
    "sharedaccesskey",
    "subjecttoken",
    "token",
    "tokenvalue",
    "xamzsecuritytoken",
    "xdatabricksazurespmanagementtoken",
    "xgoogsignature",
];
/// Names of parameters that only a signed URL has.
const SIGNATURES: [&str; 4] = ["xamzsignature", "xamzcredential", "xgoogcredential", "sig"];
/// Names of users.
const USERS: [&str; 21] = [
    "createdby",
    "createdbyusername",
    "creator",
    "creatorname",
    "creatorusername",
    "deletedby",
    "familyname",
    "givenname",
    "grantor",
    "lastmodifiedby",
    "lastupdatedby",
    "modifiedby",
    "nickname",
    "owner",
    "ownername",
    "preferredusername",
    "runas",
    "runasusername",
    "updatedby",
    "user",
    "username",
];
/// Names of people where entries are about people: anywhere else, these are names of things.
pub(super) const PEOPLE: [&str; 3] = ["displayname", "display", "formatted"];
/// Ids of workspaces.
const WORKSPACES: [&str; 4] = ["workspaceid", "orgid", "organizationid", "workspacecreationid"];

/// What a value is, by the name it stands under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Credential,
    User,
    Workspace,
    Other,
}

/// The rules by name: the built-in ones, unless turned off, and those that the user adds.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    by_default: bool,
    added: BTreeSet<String>,
}

impl Default for Keys {
    fn default() -> Self {
        Self { by_default: true, added: BTreeSet::new() }
    }
}

impl Keys {
    pub(crate) fn without_defaults(mut self) -> Self {
        self.by_default = false;
        self
    }

    pub(super) fn by_default(&self) -> bool {
        self.by_default
    }

    pub(crate) fn add(&mut self, key: &str) {
        self.added.insert(normal(key));
    }

    pub(crate) fn meaning(&self, key: &str) -> Meaning {
        let words = self.by_default && names::is_credential(key);
        let key = normal(key);
        let built_in = |names: &[&str]| self.by_default && names.contains(&key.as_str());
        if self.added.contains(&key) || built_in(&CREDENTIALS) || built_in(&SIGNATURES) || words {
            Meaning::Credential
        } else if built_in(&USERS) {
            Meaning::User
        } else if built_in(&WORKSPACES) {
            Meaning::Workspace
        } else {
            Meaning::Other
        }
    }

    /// The text that replaces a value under this name; `None` when the name says nothing.
    pub(crate) fn replacement(&self, key: &str, value: &str) -> Option<&'static str> {
        match self.meaning(key) {
            _ if value.is_empty() => None,
            Meaning::Credential => Some(REDACTED),
            Meaning::User if value.contains('@') && value.ends_with(RESERVED) => None,
            Meaning::User if value.contains('@') => Some(EMAIL),
            Meaning::User => Some(USER),
            Meaning::Workspace => Some(WORKSPACE_ID),
            Meaning::Other => None,
        }
    }
}

pub(super) fn normal(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '_' | '-' | '.')).flat_map(char::to_lowercase).collect()
}

/// Cleans values, by their names and by what they hold.
#[derive(Clone, Copy)]
pub(crate) struct Cleaner<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) known: &'a Known,
    /// Everything under these names is the value of a secret, too: the endpoints of secrets use plain ones.
    pub(crate) secret_values: bool,
    /// Entries are about people: names that are displayed are theirs.
    pub(crate) people: bool,
}

impl Cleaner<'_> {
    pub(crate) fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match json_text::cleaned(text, *self) {
            Some(text) => Cow::Owned(self.plain_text(&text).into_owned()),
            None => self.plain_text(text),
        }
    }

    fn plain_text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let places = assignments::find(text, self.keys).into_iter().map(|range| (range, REDACTED));
        match (edited(text, places), self.keys.by_default) {
            (Some(text), true) => Cow::Owned(clean(&text, self.known).into_owned()),
            (None, true) => clean(text, self.known),
            (Some(text), false) => Cow::Owned(self.known.replace_secrets(&text).unwrap_or(text)),
            (None, false) => self.known.replace_secrets(text).map_or(Cow::Borrowed(text), Cow::Owned),
        }
    }

    pub(crate) fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text).into_owned()),
            Value::Array(values) => values.into_iter().map(|value| self.value(value)).collect(),
            Value::Object(members) => Value::Object(self.members(members)),
            other => other,
        }
    }

    fn members(&self, members: Map<String, Value>) -> Map<String, Value> {
        let signed = self.keys.by_default && members.contains_key("url");
        let names_a_secret = ["name", "key"].iter().any(|name| {
            let name = members.get(*name).and_then(Value::as_str).unwrap_or_default();
            self.keys.meaning(name) == Meaning::Credential
        });
        // Entries of permissions name the user beside the name that is displayed.
        let names_a_user = ["user_name", "userName"].iter().any(|name| members.contains_key(*name));
        let people = self.keys.by_default && (self.people || names_a_user);
        let (mut cleaned, mut numbers) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in members.into_iter().collect::<BTreeMap<_, _>>() {
            let value = match name.as_str() {
                _ if people && PEOPLE.contains(&normal(&name).as_str()) => of_person(value),
                "value" if names_a_secret => redacted(value),
                "http_headers" if self.keys.by_default => header_values(value),
                "headers" if signed => header_values(value),
                "external_link" | "external_links" if self.keys.by_default => self.links(value),
                _ => self.member(&name, value),
            };
            let name = free_name(self.text(&name).into_owned(), &cleaned, &mut numbers);
            cleaned.insert(name, value);
        }
        cleaned.into_iter().collect()
    }

    fn member(&self, name: &str, value: Value) -> Value {
        let plain = ["value", "string_value", "bytes_value"];
        match (self.keys.meaning(name), value) {
            (Meaning::Credential, value) => redacted(value),
            (_, value) if self.secret_values && plain.contains(&name) => redacted(value),
            (_, Value::String(text)) => match self.keys.replacement(name, &text) {
                Some(replacement) => Value::String(replacement.to_owned()),
                None => Value::String(self.text(&text).into_owned()),
            },
            (Meaning::Workspace, Value::Number(_)) => Value::from(0),
            (_, value) => self.value(value),
        }
    }

    /// A link is an address of the object store, whatever its host.
    fn links(&self, value: Value) -> Value {
        match value {
            Value::String(link) => Value::String(self.text(&plain_link(&link)).into_owned()),
            other => self.value(other),
        }
    }

    /// A form, field by field.
    pub(crate) fn form(&self, text: &str) -> String {
        text.split('&').map(|field| self.field(field)).collect::<Vec<_>>().join("&")
    }

    fn field(&self, field: &str) -> String {
        let Some((name, value)) = url::form_urlencoded::parse(field.as_bytes()).next() else {
            return field.to_owned();
        };
        let cleaned = match self.keys.replacement(&name, &value) {
            Some(replacement) => Cow::Borrowed(replacement),
            None => self.text(&value),
        };
        if cleaned == value {
            return field.to_owned();
        }
        let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        format!("{}={}", encode(&name), encode(&cleaned))
    }

    /// The text of a body, which says itself whether it is JSON or a form: labels are often wrong.
    pub(crate) fn any_text(&self, text: &str) -> String {
        match is_form(text) {
            true => self.text(&self.form(text)).into_owned(),
            false => self.text(text).into_owned(),
        }
    }
}

/// Whether the text is nothing but names and values as forms have them.
fn is_form(text: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '%' | '+');
    let is_field = |field: &str| field.split_once('=').is_some_and(|(name, _)| name.chars().all(is_name));
    !text.contains(char::is_whitespace) && text.split('&').all(is_field)
}

/// A name of somebody, as it is displayed.
fn of_person(value: Value) -> Value {
    match value {
        Value::String(name) if name.is_empty() => Value::String(name),
        _ => Value::from(USER),
    }
}

/// The value without anything that says what it was.
fn redacted(value: Value) -> Value {
    match value {
        Value::String(text) if text.is_empty() => Value::String(text),
        Value::String(_) => Value::String(REDACTED.to_owned()),
        Value::Number(_) => Value::from(0),
        Value::Array(values) => values.into_iter().map(redacted).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name, redacted(value))).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}

/// Headers to be sent with a link: a map, or a list of names and values. The names stay.
fn header_values(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let values = members.into_iter().map(|(name, value)| match (name.as_str(), value) {
                ("name", value) => (name, value),
                (_, value) => (name, redacted(value)),
            });
            values.collect::<Map<_, _>>().into()
        }
        Value::Array(values) => values.into_iter().map(header_values).collect(),
        other => redacted(other),
    }
}

/// The link without its host and its query.
pub(super) fn plain_link(link: &str) -> String {
    let Some((scheme, rest)) = link.split_once("://") else { return link.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let path = rest.find('/').and_then(|start| rest.get(start..)).unwrap_or_default();
    format!("{scheme}://{STORAGE_HOST}{path}")
}

/// The name, or the first that is free: two members must not become one. `numbers` has those that were given last.
fn free_name(name: String, taken: &BTreeMap<String, Value>, numbers: &mut BTreeMap<String, u64>) -> String {
    if !taken.contains_key(&name) {
        return name;
    }
    let number = numbers.entry(name.clone()).or_insert(1);
    loop {
        *number += 1;
        let numbered = format!("{name} ({number})");
        if !taken.contains_key(&numbered) {
            return numbered;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn with_cleaner<T>(f: impl FnOnce(Cleaner<'_>) -> T) -> T {
        let (mut keys, known) = (Keys::default(), Known::default());
        keys.add("ssn");
        f(Cleaner { keys: &keys, known: &known, secret_values: false, people: false })
    }

    fn cleaned(value: Value) -> Value {
        with_cleaner(|cleaner| cleaner.value(value))
    }

    #[test]
    fn names_tell_what_their_values_are() {
        let answer = json!({
            "access_token": "abc", "refreshToken": "def", "token_info": {"comment": "x", "owner_id": 5},
            "client-secret": ["a", 1, null], "token": "", "ssn": 123, "next_page_token": "abc",
            "owner": "Jane", "created_by": "jane@corp.com", "run_as": {"user_name": "j"}, "workspace_id": 123,
            "orgId": "123",
        });
        let expected = json!({
            "access_token": "REDACTED", "refreshToken": "REDACTED", "token_info": {"comment": "x", "owner_id": 5},
            "client-secret": ["REDACTED", 0, null], "token": "", "ssn": 0, "next_page_token": "abc",
            "owner": "user", "created_by": "user@example.invalid", "run_as": {"user_name": "user"}, "workspace_id": 0,
            "orgId": "0",
        });
        assert_eq!(cleaned(answer), expected);
    }

    #[test]
    fn links_lose_host_query_and_headers() {
        let answer = json!({
            "external_links": [{"external_link": "https://u:p@any.host:99/a/b%20c?X=1#f", "http_headers": {"x-k": "v"}}],
            "download": {"url": "https://b.s3.amazonaws.com/k?sig=1", "headers": [{"name": "x-k", "value": "v"}]},
            "headers": {"kept": "v"}, "parameters": [{"name": "password", "value": "x"}, {"name": "n", "value": "x"}],
        });
        let expected = json!({
            "external_links": [{"external_link": "https://storage.invalid/a/b%20c", "http_headers": {"x-k": "REDACTED"}}],
            "download": {"url": "https://storage.invalid/k", "headers": [{"name": "x-k", "value": "REDACTED"}]},
            "headers": {"kept": "v"}, "parameters": [{"name": "password", "value": "REDACTED"}, {"name": "n", "value": "x"}],
        });
        assert_eq!(cleaned(answer), expected);
    }

    #[test]
    fn two_members_do_not_become_one() {
        let once = cleaned(json!({"a@corp.com": 1, "b@corp.com": 2}));
        assert_eq!(once, json!({"user@example.invalid": 1, "user@example.invalid (2)": 2}));
        assert_eq!(cleaned(once.clone()), once);
    }

    #[test]
    fn forms_and_json_kept_as_text_are_cleaned_where_they_stand() {
        with_cleaner(|cleaner| {
            let form = "grant_type=client_credentials&client_secret=a%26b&scope=all+apis&x&user=a%40b.com";
            let expected = "grant_type=client_credentials&client_secret=REDACTED&scope=all+apis&x&user=user%40example.invalid";
            assert_eq!(cleaner.form(form), expected);
            let text = r#"{"n": 1e2, "password" : "a\"b", "list": ["password", "x"], "by": "a@b.com"}"#;
            let expected = r#"{"n": 1e2, "password" : "REDACTED", "list": ["password", "x"], "by": "user@example.invalid"}"#;
            assert_eq!(cleaner.any_text(text), expected);
        });
    }

    fn tree() -> impl Strategy<Value = Value> {
        let texts = [
            "a@corp.com",
            "https://h.s3.amazonaws.com/k?a=b",
            "x",
            "",
            "REDACTED",
            "user@example.invalid (2)",
        ];
        let names = [
            "token",
            "owner",
            "http_headers",
            "headers",
            "url",
            "external_link",
            "name",
            "value",
            "a@c.de",
            "b@c.de",
            "workspace_id",
        ];
        let text = prop::sample::select(texts.to_vec());
        let name = prop_oneof![prop::sample::select(names.to_vec()), text.clone()];
        let leaf =
            prop_oneof![text.prop_map(Value::from), any::<i32>().prop_map(Value::from), Just(Value::Null)];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..4)
                    .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn cleaning_twice_is_cleaning_once(value in tree()) {
            let once = cleaned(value);
            prop_assert_eq!(cleaned(once.clone()), once);
        }
    }
}
