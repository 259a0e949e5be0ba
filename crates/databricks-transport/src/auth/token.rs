//! Reading what token endpoints and command-line tools answer: a token and how long it lives.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::DateTime;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::authorize::Authorization;
use crate::error::{Error, ErrorKind};

/// A token as it was issued.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) access_token: SecretString,
    /// How long it lives from now on; `None` when nothing says so.
    pub(super) lifetime: Option<Duration>,
}

/// What a lifetime is read from, most trusted first.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expiry {
    /// Seconds from now, by this field. A clock that is wrong does no harm.
    In(&'static str),
    /// Seconds since 1970, by this field.
    At(&'static str),
    /// A time of RFC 3339, by this field.
    Time(&'static str),
}

impl Token {
    /// Reads a token from the field that holds it. Without any of the `expiries`, the token's own claim counts when it
    /// is a JWT.
    pub(super) fn read(
        purpose: &str,
        answer: &Map<String, Value>,
        field: &str,
        expiries: &[Expiry],
    ) -> Result<Self, Error> {
        let text = answer.get(field).and_then(Value::as_str).map(str::trim).unwrap_or_default();
        if text.is_empty() {
            let what = format!("{purpose}: the answer has no `{field}`, so it is no token");
            return Err(Error::new(ErrorKind::Auth, what));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let stated = expiries.iter().find_map(|expiry| expiry.lifetime(answer, now));
        let lifetime = stated.or_else(|| Some(jwt_expiry(text)?.saturating_sub(now)));
        Ok(Self { access_token: text.to_owned().into(), lifetime })
    }

    /// The header that sends it.
    pub(super) fn authorization(&self, purpose: &str) -> Result<Authorization, Error> {
        let authorization = Authorization::bearer(self.access_token.clone())
            .map_err(|error| Error::new(ErrorKind::Auth, format!("{purpose}: {}", error.message())))?;
        Ok(match self.lifetime {
            Some(lifetime) => authorization.expires_in(lifetime),
            None => authorization,
        })
    }
}

impl Expiry {
    fn lifetime(self, answer: &Map<String, Value>, now: Duration) -> Option<Duration> {
        match self {
            Self::In(field) => seconds(answer.get(field)?),
            Self::At(field) => Some(seconds(answer.get(field)?)?.saturating_sub(now)),
            Self::Time(field) => {
                let time = DateTime::parse_from_rfc3339(answer.get(field)?.as_str()?.trim()).ok()?;
                let at = u64::try_from(time.timestamp()).unwrap_or(0);
                Some(Duration::from_secs(at).saturating_sub(now))
            }
        }
    }
}

/// A number of seconds, which some endpoints write as text. A negative one is zero: it is over.
fn seconds(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        _ => return None,
    };
    if seconds.is_nan() {
        return None;
    }
    Some(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))
}

/// The `exp` claim of a JWT, since 1970. Nothing is verified: this is our own token, and only its end is of interest.
fn jwt_expiry(token: &str) -> Option<Duration> {
    seconds(claims(token)?.get("exp")?)
}

/// The claims of a JWT.
fn claims(token: &str) -> Option<Map<String, Value>> {
    let payload = token.split('.').nth(1)?;
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&payload).ok()
}

/// Whether a JWT of Azure belongs to a person: only they have a user principal name.
pub(super) fn is_of_person(token: &Token) -> bool {
    claims(token.access_token.expose_secret()).is_some_and(|claims| claims.contains_key("upn"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const ALL: &[Expiry] = &[Expiry::In("expires_in"), Expiry::At("expires_on"), Expiry::Time("expiry")];

    fn read(answer: &Value) -> Result<Token, Error> {
        Token::read("oauth-m2m", answer.as_object().unwrap(), "access_token", ALL)
    }

    fn jwt(claims: &Value) -> String {
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.c2ln", part(&json!({"alg": "RS256"})), part(claims))
    }

    #[test]
    fn a_lifetime_is_read_in_every_form_it_comes_in() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let at = chrono::DateTime::from_timestamp(now as i64 + 3600, 0).unwrap();
        for (form, answer) in [
            ("number", json!({"access_token": "t", "expires_in": 3600})),
            ("text", json!({"access_token": "t", "expires_in": "3600"})),
            ("in before at", json!({"access_token": "t", "expires_in": 3600, "expires_on": now + 9})),
            ("at", json!({"access_token": "t", "expires_on": now + 3600})),
            ("at as text", json!({"access_token": "t", "expires_on": (now + 3600).to_string()})),
            (
                "UTC",
                json!({"access_token": "t", "expiry": at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)}),
            ),
            ("claim", json!({"access_token": jwt(&json!({"exp": now + 3600}))})),
        ] {
            let lifetime = read(&answer).unwrap().lifetime.unwrap().as_secs();
            assert!((3590..=3600).contains(&lifetime), "{form}: {lifetime}");
        }
        let zone = read(&json!({"access_token": "t", "expiry": "2020-01-01T00:00:00.5-05:00"})).unwrap();
        assert_eq!(zone.lifetime, Some(Duration::ZERO));
    }

    #[test]
    fn an_odd_lifetime_is_neither_a_panic_nor_a_long_life() {
        for (given, expected) in [
            (json!(-5), Some(Duration::ZERO)),
            (json!("1e400"), Some(Duration::MAX)),
            (json!(1e30), Some(Duration::MAX)),
            (json!("NaN"), None),
            (json!("soon"), None),
            (json!(null), None),
            (json!([1]), None),
        ] {
            let token = read(&json!({"access_token": "opaque", "expires_in": given})).unwrap();
            assert_eq!(token.lifetime, expected, "{given}");
        }
    }

    #[test]
    fn an_answer_without_a_token_says_so() {
        for answer in [json!({}), json!({"access_token": ""}), json!({"access_token": 7})] {
            let error = read(&answer).unwrap_err();
            assert_eq!(error.to_string(), "oauth-m2m: the answer has no `access_token`, so it is no token");
        }
    }

    #[test]
    fn a_person_is_told_from_a_principal() {
        let token = |claims: Value| Token { access_token: jwt(&claims).into(), lifetime: None };
        assert!(is_of_person(&token(json!({"upn": "ann@example.com"}))));
        assert!(!is_of_person(&token(json!({"appid": "x"}))));
        assert!(!is_of_person(&Token { access_token: "opaque".into(), lifetime: None }));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader_of_claims(text in "\\PC{0,80}") {
            let _ = jwt_expiry(&text);
        }
    }
}
