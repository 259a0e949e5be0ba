//! The configuration file `.databrickscfg`: INI text in, the chosen profile's keys out. Pure.

use std::collections::BTreeMap;

/// The section that holds no profile but says which one is the default.
const SETTINGS: &str = "__settings__";
/// The profile that is used when nobody asks for another; it may be missing.
const DEFAULT: &str = "DEFAULT";

/// One `[section]`: keys in lower case, values as they are used.
type Section = BTreeMap<String, String>;

/// A configuration file.
#[derive(Default)]
pub(super) struct ConfigFile {
    sections: BTreeMap<String, Section>,
}

/// A profile that was found.
pub(super) struct Profile {
    pub(super) name: String,
    pub(super) keys: BTreeMap<String, String>,
    /// Whether somebody asked for it, by name or as the file's default.
    pub(super) is_chosen: bool,
}

impl ConfigFile {
    /// Reads INI text. The error says which line is wrong and never repeats it: it may hold a secret.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut file = Self::default();
        let mut section = DEFAULT.to_owned();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            let wrong = |why: &str| format!("line {} {why}", index + 1);
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if line.starts_with('[') {
                section = file.open(line).map_err(|why| wrong(&why))?;
                continue;
            }
            let (key, value) = entry(line).ok_or_else(|| {
                wrong("is neither a [profile] nor a `key = value`: correct it or start it with #")
            })?;
            let keys = file.sections.entry(section.clone()).or_default();
            if keys.contains_key(&key) {
                return Err(wrong(&format!("sets `{key}` of profile `{section}` again: keep one")));
            }
            keys.insert(key, value);
        }
        Ok(file)
    }

    /// Starts the section that a line names.
    fn open(&mut self, line: &str) -> Result<String, String> {
        let name = without_comment(line).strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let name = name.map(str::trim).filter(|name| !name.is_empty());
        let Some(name) = name else {
            return Err(
                "starts with `[` and is no [profile]: write a name and the closing bracket".to_owned()
            );
        };
        if self.sections.insert(name.to_owned(), Section::new()).is_some() {
            return Err(format!("starts profile `{name}` again: keep one"));
        }
        Ok(name.to_owned())
    }

    /// The profile asked for, else the file's default, else `DEFAULT` if there is one. The error lists what there is.
    pub(super) fn profile(&self, asked: Option<&str>) -> Result<Option<Profile>, String> {
        let default = self.sections.get(SETTINGS).and_then(|settings| settings.get("default_profile"));
        let default = default.map(String::as_str).filter(|name| !name.is_empty());
        let (name, is_chosen) = match asked.or(default) {
            Some(name) => (name, true),
            None => (DEFAULT, false),
        };
        if name == SETTINGS {
            return Err(format!("`{SETTINGS}` is reserved and no profile: choose another"));
        }
        match self.sections.get(name) {
            Some(keys) => Ok(Some(Profile { name: name.to_owned(), keys: keys.clone(), is_chosen })),
            None if is_chosen => Err(format!("there is no profile `{name}`: it has {}", self.names())),
            None => Ok(None),
        }
    }

    fn names(&self) -> String {
        let names: Vec<_> =
            self.sections.keys().filter(|name| *name != SETTINGS).map(String::as_str).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

/// `key = value` or `key: value`, whichever sign comes first.
fn entry(line: &str) -> Option<(String, String)> {
    let (key, value) = line.split_once(['=', ':'])?;
    let key = key.trim().to_ascii_lowercase();
    let value = unquoted(without_comment(value.trim()));
    (!key.is_empty()).then(|| (key, value.to_owned()))
}

/// A comment inside a line needs white space before its `#`, so that a `#` within a value stays.
fn without_comment(text: &str) -> &str {
    if text.starts_with('#') {
        return "";
    }
    let start = text.match_indices('#').map(|(at, _)| at).find(|at| {
        text.get(..*at).and_then(|before| before.chars().next_back()).is_some_and(char::is_whitespace)
    });
    start.and_then(|at| text.get(..at)).unwrap_or(text).trim_end()
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn keys(text: &str, asked: Option<&str>) -> Vec<(String, String)> {
        let file = ConfigFile::parse(text).unwrap_or_else(|why| panic!("{why}"));
        file.profile(asked).unwrap().map(|profile| profile.keys.into_iter().collect()).unwrap_or_default()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn the_shapes_that_tools_and_people_write_are_read() {
        let text = "\u{feff}; a comment\n# another\n[DEFAULT]\r\nhost = https://h.example/?o=1\r\n\
                    Token=dapi#not-a-comment # a comment\nscopes: sql, all-apis\n\n\
                    [ PROD ]  # the real one\nclient_secret = \"a = b : c\"\nempty =\n  account_id\t=\tx\t# y\n";
        assert_eq!(
            keys(text, None),
            [
                pair("host", "https://h.example/?o=1"),
                pair("scopes", "sql, all-apis"),
                pair("token", "dapi#not-a-comment")
            ]
        );
        assert_eq!(
            keys(text, Some("PROD")),
            [pair("account_id", "x"), pair("client_secret", "a = b : c"), pair("empty", "")]
        );
    }

    #[test]
    fn keys_before_any_section_belong_to_default() {
        assert_eq!(keys("host = h\n[OTHER]\nhost = o", None), [pair("host", "h")]);
    }

    #[test]
    fn a_profile_is_asked_for_or_the_files_default_or_default() {
        const TEXT: &str =
            "[__settings__]\ndefault_profile = DEV\n[DEV]\nhost = d\n[DEFAULT]\nhost = x\n[P]\nhost = p";
        let chosen = |asked| {
            let profile = ConfigFile::parse(TEXT).unwrap().profile(asked).unwrap().unwrap();
            (profile.name, profile.is_chosen)
        };
        assert_eq!(chosen(None), ("DEV".to_owned(), true));
        assert_eq!(chosen(Some("P")), ("P".to_owned(), true));
        assert_eq!(chosen(Some("DEFAULT")), ("DEFAULT".to_owned(), true));
        let plain = ConfigFile::parse("[DEFAULT]\nhost = x").unwrap().profile(None).unwrap().unwrap();
        assert!(!plain.is_chosen);
    }

    #[test]
    fn only_default_may_be_missing() {
        assert!(ConfigFile::parse("[P]\nhost = p").unwrap().profile(None).unwrap().is_none());
        assert!(ConfigFile::parse("").unwrap().profile(None).unwrap().is_none());
        for (text, asked, expected) in [
            ("[P]\n[Q]", Some("X"), "no profile `X`: it has P, Q"),
            ("", Some("DEFAULT"), "no profile `DEFAULT`: it has none"),
            ("[__settings__]\ndefault_profile = GONE\n[P]", None, "no profile `GONE`: it has P"),
            ("[__settings__]\n", Some("__settings__"), "reserved"),
            ("[__settings__]\ndefault_profile = __settings__\n", None, "reserved"),
        ] {
            let why = ConfigFile::parse(text).unwrap().profile(asked).err().unwrap();
            assert!(why.contains(expected), "{text:?}: {why}");
        }
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number_and_not_repeated() {
        for (text, expected) in [
            ("[P]\nhost = h\nhunter2", "line 3"),
            ("[P\nhunter2 = x", "line 1"),
            ("[]\n", "line 1"),
            ("= hunter2", "line 1"),
            ("[P]\ntoken = hunter2\ntoken = hunter3", "line 3 sets `token` of profile `P` again"),
            ("[P]\n[P]", "line 2 starts profile `P` again"),
        ] {
            let why = ConfigFile::parse(text).err().unwrap();
            assert!(why.contains(expected) && !why.contains("hunter"), "{text:?}: {why}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "[\\PC\\n\\r\\t\\[\\]=#:\"]{0,200}") {
            if let Ok(file) = ConfigFile::parse(&text) {
                let _ = file.profile(None);
                let _ = file.profile(Some("P"));
            }
        }

        #[test]
        fn a_value_without_comment_or_quotes_is_read_back(value in "[!-~]{0,40}") {
            prop_assume!(!value.starts_with(['#', '"']));
            let read = keys(&format!("[P]\nk = {value}\n"), Some("P"));
            prop_assert_eq!(read, [pair("k", &value)]);
        }
    }
}
