//! What the network needs to know: proxies, certificates, whether plain http is allowed.

use std::path::PathBuf;

use super::DatabricksConfig;
use super::no_proxy::NoProxy;
use super::proxy::{Proxies, Proxy};
use super::setting::{Key, Settings};
use super::sources::{Variable, from_variables, of_process};
use crate::error::{Error, ErrorKind};

/// The settings of the proxies that a variable can give.
const PROXIES: [Key; 3] = [Key::HttpsProxy, Key::HttpProxy, Key::AllProxy];

/// The network as a client uses it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Network {
    pub(crate) plain_http: bool,
    pub(crate) proxies: Proxies,
    pub(crate) ca_file: Option<PathBuf>,
}

/// What the settings table cannot hold.
#[derive(Clone, Debug, Default)]
pub(super) struct NetworkSettings {
    pub(super) ca_file: Option<PathBuf>,
    /// The variables have been read already.
    pub(super) environment_is_read: bool,
}

impl DatabricksConfig {
    /// Connects through a proxy, whatever `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY` say:
    /// `[http://|https://|socks5://][user:password@]host[:port]`, with special characters of user name and password
    /// percent-encoded. `https` goes through it by `CONNECT`. The exceptions of `NO_PROXY` hold, unless
    /// [`with_no_proxy`](DatabricksConfig::with_no_proxy) has others. This machine (`localhost`) and link-local addresses
    /// are never reached through a proxy.
    ///
    /// A text that names no proxy is an error when the client is built.
    ///
    /// ```
    /// use databricks_transport::DatabricksConfig;
    ///
    /// # fn main() -> Result<(), databricks_transport::Error> {
    /// let config = DatabricksConfig::new("h.example")?.with_proxy("http://me:pass%21@proxy.example:3128");
    /// assert!(config.describe().to_string().contains("proxy = http://***@proxy.example:3128 (code)"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn with_proxy(mut self, url: impl Into<String>) -> Self {
        self.settings.set_in_code(Key::Proxy, url.into());
        settle(&mut self.settings);
        self
    }

    /// The hosts that are reached without a proxy, instead of those of `NO_PROXY`: entries between commas, each a host
    /// name (with all names below it), an address or a network (`10.0.0.0/8`), with `:port` if only that port is meant,
    /// or `*` for all hosts.
    #[must_use]
    pub fn with_no_proxy(mut self, hosts: impl Into<String>) -> Self {
        self.settings.set_in_code(Key::NoProxy, hosts.into());
        self
    }

    /// Uses no proxy, whatever the environment says.
    #[must_use]
    pub fn without_proxy(mut self) -> Self {
        self.settings.remove(Key::Proxy);
        self.with_no_proxy("*")
    }

    /// Trusts the certificate authorities in a file too, beside those of this machine: PEM, with one or more
    /// certificates. It is read by the first request that needs it; a machine without certificates of its own works with
    /// it.
    #[must_use]
    pub fn with_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        self.settings.set_in_code(Key::CaFile, path.to_string_lossy().into_owned());
        self.network.ca_file = Some(path);
        self
    }

    /// The file with further certificate authorities, when one is set.
    pub fn ca_file(&self) -> Option<&std::path::Path> {
        self.network.ca_file.as_deref()
    }

    /// The same with the proxies of the process' environment, unless variables have been read before. Called when a client
    /// is built.
    pub(crate) fn with_environments_proxies(mut self) -> Self {
        if !self.network.environment_is_read {
            offer_proxies(&mut self.settings, &of_process);
            self.network.environment_is_read = true;
        }
        self
    }

    /// User names and passwords of all proxies that are set, used or not: as text, and as they stand in the URL.
    pub(crate) fn proxy_users(&self) -> impl Iterator<Item = (String, String)> {
        let proxies = self.settings.iter().filter(|(key, _)| key.is_proxy());
        proxies.filter_map(|(_, value)| Proxy::parse(value.text(), "").ok()).flat_map(|proxy| proxy.users())
    }

    pub(crate) fn network(&self) -> Result<Network, Error> {
        let proxies = proxies(&self.settings)?;
        Ok(Network { plain_http: self.plain_http, proxies, ca_file: self.network.ca_file.clone() })
    }
}

fn offer_proxies(settings: &mut Settings, variable: Variable<'_>) {
    for key in PROXIES.into_iter().chain([Key::NoProxy]) {
        if let Some(value) = from_variables(key, variable) {
            settings.offer(key, value);
        }
    }
    settle(settings);
}

/// A proxy that code sets is the only one.
pub(super) fn settle(settings: &mut Settings) {
    if settings.get(Key::Proxy).is_some() {
        PROXIES.into_iter().for_each(|key| settings.remove(key));
    }
}

/// The proxies that the settings name.
pub(super) fn proxies(settings: &Settings) -> Result<Proxies, Error> {
    let except = settings.text(Key::NoProxy).map(NoProxy::parse).unwrap_or_default();
    if except.is_everything() {
        return Ok(Proxies::default());
    }
    let for_all = [Key::Proxy, Key::AllProxy];
    Ok(Proxies {
        https: first(settings, [&[Key::HttpsProxy], &for_all[..]].concat())?,
        http: first(settings, [&[Key::HttpProxy], &for_all[..]].concat())?,
        except,
    })
}

fn first(settings: &Settings, keys: Vec<Key>) -> Result<Option<Proxy>, Error> {
    let Some((key, value)) = keys.into_iter().find_map(|key| Some((key, settings.get(key)?))) else {
        return Ok(None);
    };
    let label = value.label(key);
    Proxy::parse(value.text(), label.clone()).map(Some).map_err(|why| {
        let use_this = "use http://host:port, or http://user:password@host:port";
        let what = format!("{label} is not the URL of a proxy ({why}): {use_this}");
        Error::new(
            ErrorKind::Config,
            format!(
                "{what} with special characters percent-encoded; with_no_proxy(\"*\") leaves proxies out"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::config::ConfigBuilder;

    const BASE: [(&str, &str); 2] = [("DATABRICKS_HOST", "h.example"), ("DATABRICKS_TOKEN", "dapi-secret")];

    fn builder(variables: &[(&'static str, &'static str)]) -> ConfigBuilder {
        let variables = [&BASE, variables].concat();
        DatabricksConfig::builder().variables(move |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn ways(config: &DatabricksConfig) -> (String, String) {
        let proxies = config.network().unwrap().proxies;
        let to = |uri: &'static str| {
            proxies.on_the_way_to(&uri.parse().unwrap()).map_or("direct".to_owned(), Proxy::to_string)
        };
        (to("https://h.example/"), to("http://h.example/"))
    }

    #[test]
    fn variables_decide_by_scheme_and_spelling() {
        type Row = (&'static [(&'static str, &'static str)], &'static str, &'static str);
        let table: &[Row] = &[
            (&[], "direct", "direct"),
            (&[("HTTPS_PROXY", "s:1")], "http://s:1", "direct"),
            (&[("HTTP_PROXY", "p:1")], "direct", "http://p:1"),
            (&[("https_proxy", "low:1"), ("HTTPS_PROXY", "up:1")], "http://low:1", "direct"),
            (&[("https_proxy", " "), ("HTTPS_PROXY", "up:1")], "http://up:1", "direct"),
            (&[("ALL_PROXY", "all:1")], "http://all:1", "http://all:1"),
            (&[("all_proxy", "socks5://all"), ("HTTP_PROXY", "p:1")], "socks5://all:1080", "http://p:1"),
            (&[("HTTP_PROXY", "p:1"), ("REQUEST_METHOD", "GET")], "direct", "direct"),
            (&[("HTTPS_PROXY", "s:1"), ("REQUEST_METHOD", "GET")], "http://s:1", "direct"),
            (&[("ALL_PROXY", "all:1"), ("NO_PROXY", "example")], "direct", "direct"),
            (&[("ALL_PROXY", "all:1"), ("no_proxy", "h.example:443")], "direct", "http://all:1"),
            (&[("ALL_PROXY", "not a proxy"), ("NO_PROXY", "*")], "direct", "direct"),
        ];
        for (variables, https, http) in table {
            let config = builder(variables).load().unwrap();
            assert_eq!(ways(&config), ((*https).to_owned(), (*http).to_owned()), "{variables:?}");
        }
    }

    #[test]
    fn what_code_sets_goes_before_the_environment() {
        let environment = &[("HTTPS_PROXY", "s:1"), ("ALL_PROXY", "broken proxy"), ("NO_PROXY", "h.example")];
        let set = builder(environment).proxy("mine:1").no_proxy("x").load().unwrap();
        assert_eq!(ways(&set).0, "http://mine:1");
        assert!(!set.describe().to_string().contains("HTTPS_PROXY"), "{}", set.describe());
        let exceptions_hold = builder(environment).proxy("mine:1").load().unwrap();
        assert_eq!(ways(&exceptions_hold).0, "direct");
        let later = builder(&[("HTTPS_PROXY", "s:1")]).load().unwrap();
        assert_eq!(ways(&later.clone().with_proxy("mine:1")).1, "http://mine:1");
        assert_eq!(ways(&later.clone().without_proxy()).0, "direct");
        assert_eq!(ways(&later.with_proxy("mine").without_proxy()).0, "direct");
    }

    #[test]
    fn a_configuration_of_code_takes_the_environment_only_when_it_has_none_read() {
        let variable = |name: &str| (name == "HTTPS_PROXY").then(|| "env:1".to_owned());
        let mut config = DatabricksConfig::new("h.example").unwrap();
        assert_eq!(ways(&config).0, "direct");
        offer_proxies(&mut config.settings, &variable);
        assert_eq!(ways(&config).0, "http://env:1");
        assert!(config.describe().to_string().contains("https_proxy = env:1 (HTTPS_PROXY)"));

        let mut config = DatabricksConfig::new("h.example").unwrap().with_proxy("mine");
        offer_proxies(&mut config.settings, &variable);
        assert_eq!(ways(&config).0, "http://mine:80");
        let read = builder(&[]).load().unwrap();
        assert!(read.network.environment_is_read, "the process' own environment is left alone");
    }

    #[test]
    fn a_malformed_proxy_is_blamed_on_its_place_without_its_password() {
        for (variables, label) in [
            (&[("HTTPS_PROXY", "http://me:hunter2@h:port")][..], "HTTPS_PROXY"),
            (&[("http_proxy", "ftp://me:hunter2@h")], "http_proxy"),
            (&[("ALL_PROXY", "http://me:hunter2")], "ALL_PROXY"),
        ] {
            let error = builder(variables).load().unwrap_err();
            let shown = format!("{error} {error:?}");
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(shown.contains(label) && !shown.contains("hunter2"), "{shown}");
        }
        let config =
            DatabricksConfig::new("h.example").unwrap().with_token("t").with_proxy("http://a:hunter2");
        let error = config.validate().unwrap_err().to_string();
        assert!(error.starts_with("`proxy` set in code is not") && !error.contains("hunter2"), "{error}");
        assert!(!format!("{config:?} {}", config.describe()).contains("hunter2"));
    }

    #[test]
    fn the_ca_file_comes_from_code_or_variable() {
        let config = builder(&[("DATABRICKS_CA_FILE", "/etc/ca.pem")]).load().unwrap();
        assert_eq!(config.ca_file().unwrap().to_str(), Some("/etc/ca.pem"));
        let config = config.with_ca_file("/other.pem");
        assert_eq!(config.network().unwrap().ca_file.unwrap().to_str(), Some("/other.pem"));
        assert!(config.describe().to_string().contains("ca_file = /other.pem (code)"));
    }
}
