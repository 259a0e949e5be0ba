//! What is removed from every text: secrets, hosts, signed queries, ids of workspaces, names and e-mail addresses.

use std::borrow::Cow;
use std::ops::Range;

use super::known::Known;
use super::shapes::{self, REDACTED};

/// The host of every workspace in a cassette.
pub(crate) const WORKSPACE_HOST: &str = "workspace.invalid";
/// The host of every object store in a cassette.
pub(crate) const STORAGE_HOST: &str = "storage.invalid";
/// The id of every workspace in a cassette.
pub(crate) const WORKSPACE_ID: &str = "0";
/// Every e-mail address in a cassette.
pub(crate) const EMAIL: &str = "user@example.invalid";
/// Nobody's: hosts and addresses of cassettes and of simulated workspaces end so, and stay as they are.
pub(crate) const RESERVED: &str = ".invalid";
const EMAIL_ENCODED: &str = "user%40example.invalid";
/// Bytes before the sign that are looked at: more than the name of an address has, percent-encoded.
const FARTHEST: usize = 512;
/// A text settles within this many passes: what one rule leaves may be for another.
const PASSES: usize = 4;

const WORKSPACE_SUFFIXES: [&str; 7] = [
    ".azuredatabricks.net",
    ".cloud.databricks.com",
    ".cloud.databricks.mil",
    ".cloud.databricks.us",
    ".databricks.azure.cn",
    ".databricks.azure.us",
    ".gcp.databricks.com",
];
const STORAGE_SUFFIXES: [&str; 6] = [
    ".cloudflarestorage.com",
    ".core.chinacloudapi.cn",
    ".core.usgovcloudapi.net",
    ".core.windows.net",
    ".storage.googleapis.com",
    ".storage.azure.net",
];

/// The text without what does not belong in a cassette.
pub(crate) fn clean<'t>(text: &'t str, known: &Known) -> Cow<'t, str> {
    let mut cleaned = Cow::Borrowed(text);
    for _ in 0..PASSES {
        match pass(&cleaned, known) {
            Some(next) => cleaned = Cow::Owned(next),
            None => break,
        }
    }
    cleaned
}

/// Gives the text anew when it changes something.
type Rule<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Every rule once; `None` when none of them changes anything.
fn pass(text: &str, known: &Known) -> Option<String> {
    let rules: [&Rule<'_>; 6] = [
        &|text| known.replace_secrets(text),
        &redact_shapes,
        &|text| replace_hosts(text, known),
        &replace_workspace_ids,
        &|text| known.replace_names(text),
        &replace_emails,
    ];
    let mut changed: Option<String> = None;
    for rule in rules {
        if let Some(next) = rule(changed.as_deref().unwrap_or(text)) {
            changed = Some(next);
        }
    }
    changed.filter(|changed| changed != text)
}

fn redact_shapes(text: &str) -> Option<String> {
    let edits = shapes::find(text.as_bytes()).into_iter().map(|found| (found.range, REDACTED));
    edited(text, edits)
}

/// The text with other text in some ranges, which follow each other; `None` when there are none.
pub(crate) fn edited<'e>(text: &str, edits: impl Iterator<Item = (Range<usize>, &'e str)>) -> Option<String> {
    let (mut result, mut copied, mut any) = (String::new(), 0, false);
    for (range, replacement) in edits {
        // Ranges begin and end at ASCII, so there is a text between them.
        result.push_str(text.get(copied..range.start)?);
        result.push_str(replacement);
        copied = range.end;
        any = true;
    }
    result.push_str(text.get(copied..)?);
    any.then_some(result)
}

fn replace_hosts(text: &str, known: &Known) -> Option<String> {
    if !text.contains('.') && !known.names_hosts() {
        return None;
    }
    let bytes = text.as_bytes();
    let mut edits = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = run(bytes, at, is_host);
        if length == 0 {
            at += 1;
            continue;
        }
        let end = at + length;
        let host_end = at + text.get(at..end)?.trim_end_matches(['.', '-']).len();
        let port = port_length(bytes, host_end);
        let replacement = text.get(at..host_end).and_then(|host| {
            let with_port = text.get(at..host_end + port)?;
            let is_word = !host.contains('.')
                && (port == 0 || !known.is_host(&with_port.to_ascii_lowercase()))
                && !is_behind_scheme(text.get(..at)?);
            if is_word { None } else { of_host(host, with_port, known) }
        });
        at = end;
        let Some(replacement) = replacement else { continue };
        edits.push((end - length..host_end + port, replacement));
        at = at.max(host_end + port);
        if replacement == STORAGE_HOST {
            let address = address_length(text, at);
            if let Some(query) = text.get(at..at + address).and_then(|address| address.find('?')) {
                edits.push((at + query..at + address, ""));
            }
            at += address;
        }
    }
    edited(text, edits.into_iter().filter(|(range, new)| text.get(range.clone()) != Some(*new)))
}

/// Whether a host follows: `://`, or `://user@`.
fn is_behind_scheme(before: &str) -> bool {
    before.ends_with("://") || (before.ends_with('@') && is_in_authority(before))
}

fn is_host(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'.' || b == b'-'
}

fn run(bytes: &[u8], at: usize, fits: impl Fn(u8) -> bool) -> usize {
    bytes.iter().skip(at).take_while(|b| fits(**b)).count()
}

/// The length of `:8080`, if that follows.
fn port_length(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(b':') => match run(bytes, at + 1, |b| b.is_ascii_digit()) {
            0 => 0,
            digits => 1 + digits,
        },
        _ => 0,
    }
}

/// How far an address goes on: to white space, or what quotes it.
fn address_length(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let ends = |(index, c): (usize, char)| {
        let quote = matches!(c, '"' | '\'' | '<' | '>' | '`' | ')' | ']' | '}');
        // In the text of JSON `&` may be written `\u0026`.
        let escape = c == '\\' && !rest.get(index..).unwrap_or_default().starts_with("\\u");
        (c.is_whitespace() || quote || escape).then_some(index)
    };
    rest.char_indices().find_map(ends).unwrap_or(rest.len())
}

fn of_host(host: &str, with_port: &str, known: &Known) -> Option<&'static str> {
    let lower = host.to_ascii_lowercase();
    if known.is_workspace_host(&lower) || known.is_workspace_host(&with_port.to_ascii_lowercase()) {
        return Some(WORKSPACE_HOST);
    }
    if known.is_storage_host(&lower) || known.is_storage_host(&with_port.to_ascii_lowercase()) {
        return Some(STORAGE_HOST);
    }
    if !lower.contains('.') || !known.by_default() {
        return None;
    }
    let ends_like = |suffixes: &[&str]| suffixes.iter().any(|suffix| lower.ends_with(suffix));
    if lower == WORKSPACE_HOST || ends_like(&WORKSPACE_SUFFIXES) {
        Some(WORKSPACE_HOST)
    } else if lower == STORAGE_HOST
        || lower == "storage.googleapis.com"
        || is_s3(&lower)
        || ends_like(&STORAGE_SUFFIXES)
    {
        Some(STORAGE_HOST)
    } else {
        None
    }
}

fn is_s3(host: &str) -> bool {
    let amazon = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"));
    amazon.is_some_and(|name| name.split('.').any(|label| label == "s3" || label.starts_with("s3-")))
}

/// `?o=1234567890123456`, by which pages of a workspace say which one they belong to, and `1234567890123456.jobs`,
/// the folder of a workspace in its root bucket.
fn replace_workspace_ids(text: &str) -> Option<String> {
    if !text.contains('=') && !text.contains('.') {
        return None;
    }
    let mut edits = Vec::new();
    for (at, _) in text.match_indices("o=") {
        let before = at.checked_sub(1).and_then(|before| text.as_bytes().get(before));
        let digits = run(text.as_bytes(), at + 2, |b| b.is_ascii_digit());
        if matches!(before, Some(b'?' | b'&')) && digits > 0 {
            edits.push((at + 2..at + 2 + digits, WORKSPACE_ID));
        }
    }
    for (at, _) in text.match_indices(".jobs/") {
        let before = text.get(..at).unwrap_or_default();
        let digits = at - before.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        if digits >= 10 {
            edits.push((at - digits..at, WORKSPACE_ID));
        }
    }
    edits.sort_by_key(|(range, _)| range.start);
    edited(text, edits.into_iter().filter(|(range, new)| text.get(range.clone()) != Some(*new)))
}

fn replace_emails(text: &str) -> Option<String> {
    let mut signs: Vec<(usize, &str)> = text.match_indices('@').collect();
    if text.contains('%') {
        signs.extend(text.match_indices("%40"));
        signs.sort_unstable();
    }
    let (mut edits, mut done) = (Vec::new(), 0);
    for (at, sign) in signs {
        if let Some(range) = email_around(text, done, at, sign.len()) {
            done = range.end;
            edits.push((range, if sign == "@" { EMAIL } else { EMAIL_ENCODED }));
        }
    }
    edited(text, edits.into_iter())
}

/// The range of the address whose sign is at `at`, not before `from`.
fn email_around(text: &str, from: usize, at: usize, sign: usize) -> Option<Range<usize>> {
    let after = text.get(at + sign..)?;
    let domain = after.find(|c: char| !(c.is_alphanumeric() || c == '.' || c == '-')).unwrap_or(after.len());
    let domain = after.get(..domain)?.trim_end_matches(['.', '-']);
    if domain.ends_with(RESERVED) || !is_domain(domain) {
        return None;
    }
    let before = text.get(boundary(text, from.max(at.saturating_sub(FARTHEST)))..at)?;
    let is_local = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-');
    let local = before.len() - before.trim_end_matches(is_local).len();
    (local > 0 && !is_in_authority(before)).then_some(at - local..at + sign + domain.len())
}

/// The place, or the next one that is between two characters.
fn boundary(text: &str, at: usize) -> usize {
    (at..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}

fn is_domain(domain: &str) -> bool {
    let top = domain.rsplit('.').next().unwrap_or_default();
    domain.contains('.')
        && !domain.starts_with('.')
        && !domain.contains("..")
        && top.chars().count() >= 2
        && top.chars().all(char::is_alphabetic)
}

/// Whether what stands before the sign is `scheme://user`: then a host follows, not the domain of an address.
fn is_in_authority(before: &str) -> bool {
    let start = before.rfind(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '?')).unwrap_or(0);
    before.get(..=start).is_some_and(|scheme| scheme.ends_with("://"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use proptest::prelude::*;

    use super::*;

    fn known() -> Known {
        let mut known = Known::default();
        known.add_secret("hunter2!", "[PASSWORD]");
        known.add_workspace_host("127.0.0.1:4567");
        known.add_storage_host("objects.example.org");
        known.add_workspace_id("6051921418418893");
        known.add_user_name("Jane Doe");
        known
    }

    #[test]
    fn what_identifies_is_replaced_wherever_it_stands() {
        let table = [
            ("https://adb-123.4.azuredatabricks.net/?o=123#job/5", "https://workspace.invalid/?o=0#job/5"),
            ("see dbc-1.cloud.databricks.com.", "see workspace.invalid."),
            ("http://127.0.0.1:4567/a 127.0.0.1:45", "http://workspace.invalid/a 127.0.0.1:45"),
            ("'https://b.s3.us-west-2.amazonaws.com/k?X-Amz-Date=1&a=b' x", "'https://storage.invalid/k' x"),
            ("abfss://c@acct.dfs.core.windows.net/t", "abfss://c@storage.invalid/t"),
            ("http://objects.example.org:9/k?a=1\\u0026b=2\"", "http://storage.invalid/k\""),
            ("/us-prod/1234567890123456.jobs/sql/12.jobs/", "/us-prod/0.jobs/sql/12.jobs/"),
            ("/staging/6051921418418893.jobs/60519214184188930", "/staging/0.jobs/60519214184188930"),
            ("WHERE u = 'jane.doe+x@corp.example.com';", "WHERE u = 'user@example.invalid';"),
            ("/Users/jane%40corp.com/x@y.de", "/Users/user%40example.invalid/user@example.invalid"),
            ("by Jane Doe, not Jane Doerr", "by user, not Jane Doerr"),
            (
                "password hunter2! or aHVudGVyMiE= or hunter2%21",
                "password [PASSWORD] or [PASSWORD] or [PASSWORD]",
            ),
            ("jörg@müller.example", "user@example.invalid"),
        ];
        for (text, cleaned) in table {
            assert_eq!(clean(text, &known()), cleaned);
        }
    }

    #[test]
    fn a_host_that_may_be_a_word_is_replaced_in_addresses_only() {
        let mut known = Known::default();
        known.add_workspace_host("http://databricks");
        known.add_storage_host("store:9000");
        let table = [
            ("SELECT databricks FROM databricks.default.t", "SELECT databricks FROM databricks.default.t"),
            (
                "see http://databricks/x, HTTPS://Databricks",
                "see http://workspace.invalid/x, HTTPS://workspace.invalid",
            ),
            ("jdbc:databricks://u@databricks:443/x", "jdbc:databricks://u@workspace.invalid/x"),
            ("the databricks:1 at store", "the databricks:1 at store"),
            ("at store:9000", "at storage.invalid"),
        ];
        for (text, cleaned) in table {
            assert_eq!(clean(text, &known), cleaned);
            assert_eq!(clean(cleaned, &known), cleaned);
        }
    }

    #[test]
    fn what_is_public_or_sql_stays() {
        let texts = [
            "see https://docs.databricks.com/error-messages?a=1",
            "SELECT * FROM t@v12, u@20240101, a.b@v1 WHERE x = '@a.b' AND y = 'a@b'",
            "sts.amazonaws.com",
            "user@simulated.invalid",
            "abfss://container@account/path",
            "{\"o=1\": \"foo=12\"}",
        ];
        for text in texts {
            assert_eq!(clean(text, &known()), text);
        }
    }

    fn fragment() -> impl Strategy<Value = String> {
        let fragments = [
            "https://",
            "://",
            "adb-1.2.azuredatabricks.net",
            "b.s3.amazonaws.com",
            "storage.invalid",
            ":8080",
            "?a=b",
            "&sig=",
            "0123456789abcdef",
            "dapi",
            "jane@corp.com",
            "@",
            "%40",
            ".",
            "user",
            "example.invalid",
            "Bearer ",
            "hunter2!",
            "Jane Doe",
            "6051921418418893",
            "?o=12",
            "/",
            "'",
            " ",
            "u:p@",
            "eyJhbGciOi.eyJhbGciOi",
            "REDACTED",
            "127.0.0.1:4567",
            "-----BEGIN PRIVATE KEY-----",
            "é",
            "\\u0026",
            "=",
            "Basic ",
            "dXNlcjpwYXNz",
        ];
        prop_oneof![4 => prop::sample::select(fragments.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,4}"]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1500))]
        #[test]
        fn cleaning_twice_is_cleaning_once(parts in prop::collection::vec(fragment(), 0..10)) {
            let text = parts.concat();
            let known = known();
            let once = clean(&text, &known).into_owned();
            prop_assert_eq!(clean(&once, &known), once.as_str(), "of {:?}", text);
        }
    }
}
