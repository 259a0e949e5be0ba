//! Secrets whose values are known, to be taken out of whatever repeats them, in the forms in which they travel.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded::byte_serialize;

use super::{MASK, scrubbed};
use crate::request::encode_segment;

/// Shorter texts are no secrets, and would mask half of a message.
const SHORTEST: usize = 6;

/// Values that must not be shown. `Debug` shows none of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets(Vec<SecretString>);

impl Secrets {
    /// Adds a value, and the same as forms, URLs and Basic headers carry it.
    pub(crate) fn add(&mut self, secret: &str) {
        let secret = secret.trim();
        if secret.len() < SHORTEST {
            return;
        }
        self.add_exactly(secret.to_owned());
        self.add_exactly(byte_serialize(secret.as_bytes()).collect());
        self.add_exactly(encode_segment(secret));
        self.add_exactly(BASE64_STANDARD.encode(secret));
        self.add_exactly(BASE64_STANDARD_NO_PAD.encode(secret));
    }

    /// Adds a password, and the pair with its user as HTTP Basic carries it: as it is, and form-encoded first, as OAuth
    /// has it. A user without a password is a secret himself: some services take a token there.
    pub(crate) fn add_basic(&mut self, user: &str, password: &str) {
        self.add(if password.is_empty() { user } else { password });
        let form = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        for pair in [format!("{user}:{password}"), format!("{}:{}", form(user), form(password))] {
            self.add_exactly(BASE64_STANDARD.encode(pair));
        }
    }

    /// Longer ones come first, so that no part of one is left when a shorter one is within it.
    fn add_exactly(&mut self, form: String) {
        if form.len() < SHORTEST || self.0.iter().any(|known| known.expose_secret() == form) {
            return;
        }
        let place = self.0.partition_point(|known| known.expose_secret().len() >= form.len());
        self.0.insert(place, form.into());
    }

    /// Adds all of another set.
    pub(crate) fn extend(&mut self, other: &Self) {
        for secret in &other.0 {
            self.add_exactly(secret.expose_secret().to_owned());
        }
    }

    /// The text without any of the values.
    pub(crate) fn masked<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.0 {
            let secret = secret.expose_secret();
            if text.contains(secret) {
                text = Cow::Owned(text.replace(secret, MASK));
            }
        }
        text
    }

    /// A text of somebody else's: without any of the values, and without what looks like a credential.
    pub(crate) fn cleaned(&self, text: &str) -> String {
        let masked = self.masked(text);
        match scrubbed(&masked) {
            Cow::Borrowed(_) => masked.into_owned(),
            Cow::Owned(scrubbed) => scrubbed,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_is_masked_in_every_form_in_which_it_travels() {
        let mut secrets = Secrets::default();
        secrets.add(" hun ter2/é+ ");
        secrets.add_basic("me", "hunter3");
        secrets.add_basic("token-hunter4", "");
        let basic = BASE64_STANDARD.encode("me:hunter3");
        let encoded = BASE64_STANDARD.encode("hun ter2/é+");
        let text = format!(
            "hun ter2/é+ hun+ter2%2F%C3%A9%2B hun%20ter2%2F%C3%A9%2B {encoded} {basic} hunter3 token-hunter4"
        );
        assert_eq!(secrets.masked(&text), "*** *** *** *** *** *** ***");
        assert!(!format!("{secrets:?}").contains("ter2"));
    }

    #[test]
    fn a_short_word_masks_nothing() {
        let mut secrets = Secrets::default();
        for short in ["", " ", "token", "a"] {
            secrets.add(short);
        }
        assert_eq!(secrets.masked("invalid access token"), "invalid access token");
    }

    #[test]
    fn nothing_of_a_longer_value_is_left_by_a_shorter_one_within_it() {
        for order in [["hunter2", "my-hunter2-tail"], ["my-hunter2-tail", "hunter2"]] {
            let mut secrets = Secrets::default();
            order.into_iter().for_each(|secret| secrets.add(secret));
            assert_eq!(secrets.masked("x my-hunter2-tail y"), "x *** y");
        }
    }

    proptest! {
        #[test]
        fn no_text_shows_a_value(secret in "[!-~]{6,40}", before in "\\PC{0,20}", after in "\\PC{0,20}") {
            let mut secrets = Secrets::default();
            secrets.add(&secret);
            let masked = secrets.masked(&format!("{before}{secret}{after}")).into_owned();
            prop_assert!(!masked.contains(&secret) || secret.contains('*'), "{}", masked);
        }
    }
}
