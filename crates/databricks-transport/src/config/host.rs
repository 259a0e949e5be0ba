//! Making a workspace URL out of what people paste: a bare name, a URL from the browser's address bar.

use url::Url;

use crate::error::{Error, ErrorKind};

/// The origin of the workspace, and its id if `?o=` or `?w=` names it.
pub(super) fn clean(text: &str) -> Result<(Url, Option<String>), Error> {
    let text = text.trim();
    if text.is_empty() {
        return Err(invalid("the host is empty", "set it to the workspace's URL"));
    }
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&with_scheme).map_err(|error| {
        invalid(&format!("the host {} is not a URL ({error})", shown(text)), "use https://<workspace>")
    })?;
    check(&url, text)?;
    let id = url.query_pairs().find(|(name, _)| name == "o" || name == "w").map(|(_, id)| id.into_owned());
    let mut origin = url;
    origin.set_path("/");
    origin.set_query(None);
    origin.set_fragment(None);
    Ok((origin, id.filter(|id| !id.is_empty())))
}

fn check(url: &Url, text: &str) -> Result<(), Error> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid(
            "the host carries a user name or password",
            "leave them out and set the credential by DATABRICKS_TOKEN or with_token",
        ));
    }
    if !matches!(url.scheme(), "https" | "http") {
        let scheme = url.scheme();
        return Err(invalid(&format!("the host {} has the scheme {scheme}", shown(text)), "use https"));
    }
    match url.host_str() {
        Some(host) if !host.is_empty() => Ok(()),
        _ => Err(invalid(&format!("the host {} names no host", shown(text)), "use https://<workspace>")),
    }
}

fn invalid(what: &str, remedy: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{what}: {remedy}"))
}

/// The value as an error may repeat it: not when it may hold a password.
fn shown(text: &str) -> String {
    if text.contains('@') { "given".to_owned() } else { format!("`{text}`") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_people_paste_becomes_an_origin() {
        let table = [
            ("h.example", "https://h.example/", None),
            (" https://h.example/ ", "https://h.example/", None),
            ("HTTPS://H.Example", "https://h.example/", None),
            ("https://h.example/browse/x?o=123#job/1", "https://h.example/", Some("123")),
            ("https://h.example/?w=9", "https://h.example/", Some("9")),
            ("h.example?o=", "https://h.example/", None),
            ("localhost:8080", "https://localhost:8080/", None),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/", None),
            ("http://[::1]:80", "http://[::1]/", None),
        ];
        for (given, origin, id) in table {
            let (url, found) = clean(given).unwrap();
            assert_eq!((url.as_str(), found.as_deref()), (origin, id), "{given}");
        }
    }

    #[test]
    fn what_is_not_a_host_is_refused_by_name() {
        for (given, expected) in [
            ("", "is empty"),
            ("ftp://h.example", "ftp"),
            ("https://", "https://"),
            ("https://h:notaport", "notaport"),
            ("a b", "`a b`"),
        ] {
            let error = clean(given).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(expected), "{given}: {error}");
        }
    }

    #[test]
    fn a_password_in_the_host_is_refused_and_not_repeated() {
        for given in ["https://user:hunter2@h.example", "https://user:hunter2@h:notaport"] {
            let error = clean(given).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing(name in "[a-z]{1,10}\\.[a-z]{2,5}", path in "[a-z/]{0,10}", port in 1024u16..) {
            let (once, _) = clean(&format!("{name}:{port}/{path}")).unwrap();
            let (twice, _) = clean(once.as_str()).unwrap();
            prop_assert_eq!(once, twice);
        }
    }
}
