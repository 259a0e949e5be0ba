//! What secrets look like: tokens, keys and signatures that betray themselves by their form.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What stands in the place of a secret.
pub(crate) const REDACTED: &str = "REDACTED";
/// A shorter value is a word, not a signature.
const SHORTEST_VALUE: usize = 16;
/// How far the end of a private key is looked for.
const LONGEST_KEY: usize = 64 * 1024;

/// A secret in a text: where, and of which kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) range: Range<usize>,
    pub(crate) kind: &'static str,
}

/// The secrets of a text or of bytes, from left to right. What is found is ASCII.
pub(crate) fn find(bytes: &[u8]) -> Vec<Found> {
    let mut scanner = Scanner { bytes, token_end: 0 };
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = next_start(bytes, at) {
        at = start + 1;
        if let Some(secret) = scanner.secret_at(start) {
            at = secret.range.end.max(at);
            found.push(secret);
        }
    }
    found
}

/// The next place where a secret may begin.
fn next_start(bytes: &[u8], from: usize) -> Option<usize> {
    const STARTS: [bool; 256] = {
        let mut starts = [false; 256];
        let letters = b"degASsXxBb-:";
        let mut index = 0;
        while index < letters.len() {
            starts[letters[index] as usize] = true;
            index += 1;
        }
        starts
    };
    let start = |b: &u8| STARTS.get(usize::from(*b)).copied().unwrap_or_default();
    bytes.get(from..)?.iter().position(start).map(|offset| from + offset)
}

struct Scanner<'b> {
    bytes: &'b [u8],
    /// Where the run of base64 ends that was looked at last: runs are long, and many tokens may begin in one.
    token_end: usize,
}

impl Scanner<'_> {
    fn secret_at(&mut self, at: usize) -> Option<Found> {
        let rest = self.bytes.get(at..)?;
        let (range, kind) = match rest.first()? {
            b'd' => (databricks_token(rest)?, "Databricks token"),
            b'e' => (self.jwt(at, rest)?, "JSON web token"),
            b'g' if !follows_word(self.bytes, at) => (github_token(rest)?, "GitHub token"),
            b'A' if !follows_word(self.bytes, at) => access_key(rest)?,
            b'S' | b's' | b'X' | b'x' if !follows_word(self.bytes, at) => signature(rest)?,
            b'B' | b'b' if !follows_word(self.bytes, at) => authorization(rest)?,
            b'-' => (private_key(rest)?, "private key"),
            b':' => (password(rest)?, "password in an address"),
            _ => return None,
        };
        Some(Found { range: at + range.start..at + range.end, kind })
    }

    /// Two or three parts in base64, the first of which begins with `{"`.
    fn jwt(&mut self, at: usize, rest: &[u8]) -> Option<Range<usize>> {
        if !rest.starts_with(b"eyJ") {
            return None;
        }
        if at >= self.token_end {
            self.token_end = at + run(rest, is_base64_url);
        }
        let header = self.token_end - at;
        if header < 10 || rest.get(header) != Some(&b'.') {
            return None;
        }
        let part = |from: usize| run(rest.get(from..).unwrap_or_default(), is_base64_url);
        let payload = part(header + 1);
        if payload < 8 {
            return None;
        }
        let end = header + 1 + payload;
        let signature = if rest.get(end) == Some(&b'.') { 1 + part(end + 1) } else { 0 };
        Some(0..end + signature)
    }
}

/// Whether the byte before continues a word. `\u0026`, the way `&` is escaped in JSON, does not.
fn follows_word(bytes: &[u8], at: usize) -> bool {
    let before = bytes.get(..at).unwrap_or_default();
    let word = before.last().is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    word && !before.ends_with(b"\\u0026") && !before.ends_with(b"%26") && !before.ends_with(b"%3F")
}

fn run(bytes: &[u8], fits: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|b| fits(**b)).count()
}

/// `dapi`, `dose` or `dkea` and 32 hexadecimal digits, and the number that may follow.
fn databricks_token(rest: &[u8]) -> Option<Range<usize>> {
    let known = [&b"dapi"[..], b"dose", b"dkea", b"dsap"].iter().any(|prefix| rest.starts_with(prefix));
    if !known || run(rest.get(4..)?, |b| b.is_ascii_hexdigit()) < 32 {
        return None;
    }
    let hex = 4 + run(rest.get(4..)?, |b| b.is_ascii_hexdigit());
    let number = match rest.get(hex..)? {
        [b'-', digits @ ..] => run(digits, |b| b.is_ascii_digit()),
        _ => 0,
    };
    Some(0..hex + if number > 0 { 1 + number } else { 0 })
}

/// `ghp_`, `gho_`, `ghu_`, `ghs_` or `ghr_`, or `github_pat_`, and what follows.
fn github_token(rest: &[u8]) -> Option<Range<usize>> {
    let prefix = match rest {
        [b'g', b'h', b'p' | b'o' | b'u' | b's' | b'r', b'_', ..] => 4,
        _ if rest.starts_with(b"github_pat_") => 11,
        _ => return None,
    };
    let length = run(rest.get(prefix..)?, is_base64_url);
    (length >= SHORTEST_VALUE).then_some(0..prefix + length)
}

fn is_base64_url(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'-' || b == b'_'
}

fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')
}

/// An access key of AWS, or the key of an Azure storage account.
fn access_key(rest: &[u8]) -> Option<(Range<usize>, &'static str)> {
    if rest.starts_with(b"AKIA") || rest.starts_with(b"ASIA") {
        let length = run(rest, |b| b.is_ascii_uppercase() || b.is_ascii_digit());
        return (length == 20).then_some((0..length, "AWS access key"));
    }
    let start = "AccountKey=".len();
    let length =
        rest.starts_with(b"AccountKey=").then(|| run(rest.get(start..).unwrap_or_default(), is_base64))?;
    (length >= SHORTEST_VALUE).then_some((start..start + length, "key of a storage account"))
}

/// The signature of a signed URL, or the key of a shared access string.
fn signature(rest: &[u8]) -> Option<(Range<usize>, &'static str)> {
    const NAMES: [&[u8]; 6] = [
        b"X-Amz-Signature",
        b"X-Amz-Security-Token",
        b"X-Goog-Signature",
        b"SharedAccessKey",
        b"Signature",
        b"sig",
    ];
    let name = NAMES.iter().find(|name| starts_with_ignoring_case(rest, name))?;
    let rest_of_pair = rest.get(name.len()..)?;
    let signs: [&[u8]; 3] = [b"=", b"%3D", b"%3d"];
    let equals = signs.iter().find(|equals| rest_of_pair.starts_with(equals))?;
    let start = name.len() + equals.len();
    let value = rest.get(start..)?;
    let length = run(value, |b| is_base64(b) || matches!(b, b'%' | b'-' | b'_' | b'.' | b'~'));
    (length >= SHORTEST_VALUE).then_some((start..start + length, "signature of a URL"))
}

fn starts_with_ignoring_case(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// The value of an `Authorization` header, wherever it stands.
fn authorization(rest: &[u8]) -> Option<(Range<usize>, &'static str)> {
    let basic = starts_with_ignoring_case(rest, b"Basic");
    if !basic && !starts_with_ignoring_case(rest, b"Bearer") {
        return None;
    }
    let scheme = if basic { 5 } else { 6 };
    let space = run(rest.get(scheme..)?, |b| b == b' ' || b == b'\t');
    let start = scheme + space;
    let value = rest.get(start..)?;
    let length = run(value, |b| is_base64(b) || matches!(b, b'-' | b'_' | b'.' | b'~'));
    let token = value.get(..length)?;
    let secret = space > 0 && if basic { is_user_and_password(token) } else { is_token(token) };
    secret.then_some((start..start + length, "value of an Authorization header"))
}

/// Words after `Bearer` have no digits.
fn is_token(token: &[u8]) -> bool {
    token.len() >= SHORTEST_VALUE && token.iter().any(u8::is_ascii_digit)
}

fn is_user_and_password(token: &[u8]) -> bool {
    STANDARD.decode(token).is_ok_and(|decoded| decoded.contains(&b':') && decoded.is_ascii())
}

/// A private key in PEM, to its end or as far as it goes.
fn private_key(rest: &[u8]) -> Option<Range<usize>> {
    let label = rest.strip_prefix(b"-----BEGIN ")?;
    let label = label.get(..run(label, |b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' '))?;
    let head = b"-----BEGIN ".len() + label.len();
    if !label.ends_with(b"PRIVATE KEY") || !rest.get(head..)?.starts_with(b"-----") {
        return None;
    }
    let body = rest.get(head + 5..(head + 5 + LONGEST_KEY).min(rest.len()))?;
    // Line ends may be escaped (`\n`) in the text of JSON.
    let key = run(body, |b| is_base64(b) || b.is_ascii_whitespace() || b == b'\\');
    let footer = body.get(key..)?.strip_prefix(b"-----END ").map_or(0, |footer| {
        let label = run(footer, |b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ');
        let dashes = run(footer.get(label..).unwrap_or_default(), |b| b == b'-').min(5);
        b"-----END ".len() + label + dashes
    });
    Some(0..head + 5 + key + footer)
}

/// The password of `://user:password@host`.
fn password(rest: &[u8]) -> Option<Range<usize>> {
    let authority = rest.strip_prefix(b"://")?;
    let ends =
        |b: u8| b.is_ascii_whitespace() || matches!(b, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>');
    let authority = authority.get(..run(authority, |b| b.is_ascii() && !ends(b)))?;
    let at = authority.iter().rposition(|b| *b == b'@')?;
    let colon = authority.get(..at)?.iter().position(|b| *b == b':')?;
    let password = authority.get(colon + 1..at)?;
    let is_secret = !password.is_empty() && password != REDACTED.as_bytes();
    is_secret.then_some(3 + colon + 1..3 + at)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        find(text.as_bytes()).into_iter().map(|found| &text[found.range]).collect()
    }

    #[test]
    fn secrets_betray_themselves() {
        let hex = "0123456789abcdef0123456789abcdef";
        let dapi = format!("dapi{hex}-12");
        let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
        let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow+/=\n-----END RSA PRIVATE KEY-----";
        let table: [(String, &str); 16] = [
            (format!("token={dapi}."), &dapi),
            (format!("x{dapi}-"), &dapi),
            (format!("dose{hex}"), &format!("dose{hex}")),
            (format!("é {jwt}é"), jwt),
            ("(AKIAIOSFODNN7EXAMPLE)".to_owned(), "AKIAIOSFODNN7EXAMPLE"),
            ("?X-Amz-Signature=0123456789abcdef&x".to_owned(), "0123456789abcdef"),
            ("a\\u0026sig=abc%2Fdefghijklmnop%3D'".to_owned(), "abc%2Fdefghijklmnop%3D"),
            ("&sig%3Dabcdefghijklmnopq".to_owned(), "abcdefghijklmnopq"),
            ("Authorization: bearer abcdefghijklmnop0,".to_owned(), "abcdefghijklmnop0"),
            ("Basic dXNlcjpwYXNz".to_owned(), "dXNlcjpwYXNz"),
            (format!("a{pem}b"), pem),
            ("-----BEGIN PRIVATE KEY-----\\nMIIEow".to_owned(), "-----BEGIN PRIVATE KEY-----\\nMIIEow"),
            ("AccountKey=MTIzNDU2Nzg5MDEyMzQ1Ng==;".to_owned(), "MTIzNDU2Nzg5MDEyMzQ1Ng=="),
            ("a ghp_0123456789abcdefABCD b".to_owned(), "ghp_0123456789abcdefABCD"),
            ("jdbc:x://u:p@ss@h.com/a@b".to_owned(), "p@ss"),
            ("s3a://k:se:cret@bucket".to_owned(), "se:cret"),
        ];
        for (text, secret) in &table {
            assert_eq!(found(text), [*secret], "{text}");
        }
    }

    #[test]
    fn what_only_looks_a_little_like_it_is_left_alone() {
        let texts = [
            "Basic authentication is not supported; use Bearer authentication with a token",
            "dapi-test dapi0123 dose",
            "eyJhIjoxfQ==",
            "design=abcdefghijklmnopqrstuvwxyz sig=short",
            "AKIAIOSFODNN7EXAMPLEX BAKIAIOSFODNN7EXAMPLE",
            "-----BEGIN PUBLIC KEY-----\nMIIEow\n-----END PUBLIC KEY-----",
            "https://host:8080/a@b x://u:REDACTED@h",
            "Basic REDACTED Bearer REDACTED sig=REDACTED",
            "",
        ];
        for text in texts {
            assert_eq!(found(text), Vec::<&str>::new(), "{text}");
        }
    }
}
