//! Proxies as they are named by people: the URL of one, and which of them a request goes through. Pure.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::no_proxy::NoProxy;
use crate::place::{is_https, is_link_local, is_loopback, port};

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyScheme {
    /// `CONNECT` for https, whole URLs for http.
    Http,
    /// The same inside TLS.
    Https,
    /// SOCKS 5; the proxy looks names up.
    Socks5,
}

impl ProxyScheme {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Socks5 => 1080,
        }
    }

    fn named(name: &str) -> Option<Self> {
        match name {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            "socks5" | "socks5h" => Some(Self::Socks5),
            _ => None,
        }
    }
}

/// One proxy. `Display` is its URL without user name and password.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) scheme: ProxyScheme,
    /// The name as it stands in a URL: an IPv6 address in brackets.
    host: String,
    port: u16,
    /// User name and password, percent-encoded as they came.
    user: Option<(SecretString, SecretString)>,
    /// Where it was set: what a message tells people to look at.
    pub(crate) origin: String,
}

impl Proxy {
    /// Reads `[scheme://][user:password@]host[:port]`. The reason for a refusal never repeats the text, which may hold a
    /// password anywhere.
    pub(crate) fn parse(text: &str, origin: impl Into<String>) -> Result<Self, String> {
        let text = text.trim();
        let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&with_scheme).map_err(|error| error.to_string())?;
        let scheme = ProxyScheme::named(url.scheme())
            .ok_or("its scheme is none of http, https and socks5".to_owned())?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("it names no host".to_owned())?;
        let proxy = Self {
            scheme,
            host: host.to_owned(),
            port: url.port().unwrap_or(scheme.default_port()),
            user: user(&url),
            origin: origin.into(),
        };
        // What cannot stand in a request is found here and not when connecting.
        proxy.uri().map_err(|()| "its host cannot be used".to_owned())?;
        Ok(proxy)
    }

    /// Where to connect to.
    pub(crate) fn uri(&self) -> Result<Uri, ()> {
        let scheme = if self.scheme == ProxyScheme::Https { "https" } else { "http" };
        let authority = format!("{}:{}", self.host, self.port);
        Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build().map_err(|_| ())
    }

    /// The value of `Proxy-Authorization`, marked as sensitive.
    pub(crate) fn basic(&self) -> Option<HeaderValue> {
        let (name, password) = self.user.as_ref()?;
        let mut pair: Vec<u8> = percent_decode_str(name.expose_secret()).collect();
        pair.push(b':');
        pair.extend(percent_decode_str(password.expose_secret()));
        // Base64 is always a legal header.
        let mut value = HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(pair))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// User name and password as text.
    pub(crate) fn name_and_password(&self) -> Option<(String, String)> {
        let decoded =
            |text: &SecretString| percent_decode_str(text.expose_secret()).decode_utf8_lossy().into_owned();
        self.user.as_ref().map(|(name, password)| (decoded(name), decoded(password)))
    }

    /// Every spelling of user name and password that somebody may repeat.
    pub(super) fn users(&self) -> impl Iterator<Item = (String, String)> + use<> {
        let written = |text: &SecretString| text.expose_secret().to_owned();
        let as_written = self.user.as_ref().map(|(name, password)| (written(name), written(password)));
        self.name_and_password().into_iter().chain(as_written)
    }
}

fn user(url: &Url) -> Option<(SecretString, SecretString)> {
    let password = url.password().unwrap_or_default();
    let is_given = !url.username().is_empty() || !password.is_empty();
    is_given.then(|| (url.username().to_owned().into(), password.to_owned().into()))
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme.as_str(), self.host, self.port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme: _, host: _, port: _, user, origin } = self;
        f.debug_struct("Proxy")
            .field("url", &format_args!("{self}"))
            .field("has_user", &user.is_some())
            .field("origin", origin)
            .finish()
    }
}

/// A proxy's URL as it may be shown: who has it is `***`, and so is what cannot be read.
pub(super) fn shown(text: &str) -> String {
    match Proxy::parse(text, "") {
        Ok(Proxy { scheme, host, port, user: Some(_), .. }) => {
            format!("{}://***@{host}:{port}", scheme.as_str())
        }
        // As it was written, unless something could hide in what a proxy's URL has no use for.
        Ok(_) if !text.contains(['?', '#', '@']) => text.to_owned(),
        Ok(proxy) => proxy.to_string(),
        Err(_) => "***".to_owned(),
    }
}

/// The proxies of a client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    pub(crate) http: Option<Proxy>,
    pub(crate) https: Option<Proxy>,
    pub(crate) except: NoProxy,
}

impl Proxies {
    /// The proxy on the way to a URI, if there is one. This machine and its link-local neighbours (where the metadata
    /// services of clouds are) are always reached directly.
    pub(crate) fn on_the_way_to(&self, uri: &Uri) -> Option<&Proxy> {
        let proxy = if is_https(uri) { self.https.as_ref()? } else { self.http.as_ref()? };
        let host = uri.host()?;
        let direct = is_loopback(host) || is_link_local(host) || self.except.contains(host, port(uri));
        (!direct).then_some(proxy)
    }

    /// Whether TLS is needed to reach one of them.
    pub(crate) fn need_tls(&self) -> bool {
        [&self.http, &self.https].into_iter().flatten().any(|proxy| proxy.scheme == ProxyScheme::Https)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Proxy {
        Proxy::parse(text, "HTTPS_PROXY").unwrap()
    }

    #[test]
    fn what_people_write_names_a_proxy() {
        for (text, url, basic) in [
            ("proxy", "http://proxy:80", None),
            ("proxy:3128", "http://proxy:3128", None),
            (" http://Proxy.Example/ ", "http://proxy.example:80", None),
            ("HTTP://proxy:80", "http://proxy:80", None),
            ("https://proxy", "https://proxy:443", None),
            ("socks5://proxy", "socks5://proxy:1080", None),
            ("socks5h://proxy:9", "socks5://proxy:9", None),
            ("http://[::1]:3128", "http://[::1]:3128", None),
            ("http://proxy:3128/path?query#part", "http://proxy:3128", None),
            ("http://Aladdin:opensesame@proxy", "http://proxy:80", Some("Basic QWxhZGRpbjpvcGVuc2VzYW1l")),
            ("Aladdin:open%73esame@proxy:1", "http://proxy:1", Some("Basic QWxhZGRpbjpvcGVuc2VzYW1l")),
            ("http://Aladdin@proxy", "http://proxy:80", Some("Basic QWxhZGRpbjo=")),
            ("http://a:p@ss@proxy", "http://proxy:80", Some("Basic YTpwQHNz")),
            ("http://a:%ff@proxy", "http://proxy:80", Some("Basic YTr/")),
        ] {
            let proxy = parse(text);
            assert_eq!(proxy.to_string(), url, "{text}");
            let header = proxy.basic();
            assert_eq!(header.as_ref().map(|value| value.to_str().unwrap()), basic, "{text}");
            assert!(header.is_none_or(|value| value.is_sensitive()));
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_being_repeated() {
        for text in [
            "http://user:hunter2",
            "http://user:hunter2/x@proxy",
            "http://user:hunter2#@proxy:1",
            "user:hunter2:proxy:3128",
            "ftp://user:hunter2@proxy",
            "socks4://hunter2@proxy",
            "hunter2://",
            "http://hunter2@",
            "http://hunter2 @pro xy",
            "",
            "://hunter2",
        ] {
            let why = Proxy::parse(text, "HTTPS_PROXY").unwrap_err();
            assert!(!why.contains("hunter2") && !why.is_empty(), "{text}: {why}");
            assert_eq!(shown(text), "***");
        }
    }

    #[test]
    fn no_format_shows_user_or_password() {
        let text = "http://user-hunter2:hunter2%21@proxy:3128/?x=hunter2";
        let proxies = Proxies { https: Some(parse(text)), ..Proxies::default() };
        let formats = [shown(text), format!("{proxies:?} {proxies:#?} {}", parse(text))];
        for format in &formats {
            assert!(!format.contains("hunter2"), "{format}");
        }
        assert_eq!(formats[0], "http://***@proxy:3128");
        assert_eq!(shown("proxy:3128"), "proxy:3128");
        assert_eq!(shown("http://proxy/?x=hunter2"), "http://proxy:80");
    }

    #[test]
    fn the_scheme_chooses_and_this_machine_is_never_proxied() {
        let proxies = Proxies {
            http: Some(parse("plain")),
            https: Some(parse("secure")),
            except: NoProxy::parse("direct.example, other.example:8443"),
        };
        for (uri, expected) in [
            ("https://h.example/x", Some("http://secure:80")),
            ("http://h.example/x", Some("http://plain:80")),
            ("https://direct.example/", None),
            ("https://a.direct.example/", None),
            ("https://other.example/", Some("http://secure:80")),
            ("https://other.example:8443/", None),
            ("https://localhost:8443/", None),
            ("http://127.0.0.1:80/", None),
            ("http://[::1]/", None),
            ("http://169.254.169.254/metadata", None),
            ("http://[fe80::1]/", None),
            ("http://[::ffff:169.254.169.254]/", None),
            ("http://10.0.0.1/", Some("http://plain:80")),
        ] {
            let uri: Uri = uri.parse().unwrap();
            let found = proxies.on_the_way_to(&uri).map(Proxy::to_string);
            assert_eq!(found.as_deref(), expected, "{uri}");
        }
        let uri = Uri::from_static("https://h.example");
        assert!(Proxies::default().on_the_way_to(&uri).is_none());
    }

    proptest! {
        #[test]
        fn any_password_gets_through_encoded_and_is_never_shown(password in "[!-~]{6,20}") {
            let encoded: String = url::form_urlencoded::byte_serialize(password.as_bytes()).collect();
            let text = format!("http://me:{encoded}@proxy:3128");
            let proxy = Proxy::parse(&text, "x").unwrap();
            prop_assert_eq!(proxy.name_and_password().unwrap().1, password);
            prop_assert_eq!(shown(&text), "http://***@proxy:3128");
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,40}") {
            let _ = (Proxy::parse(&text, "x"), shown(&text));
        }
    }
}
