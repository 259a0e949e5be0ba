//! Where each value comes from, and what a configuration says about it.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use databricks_transport::{AuthConfig, CircuitBreakerConfig, ConfigBuilder, DatabricksConfig};
use proptest::option;
use proptest::prelude::*;

const CONFIG_FILE: &str = "[DEFAULT]\nhost = https://default.example\n\
    [PROD]\nhost = https://prod.example/?o=77\nclient_id = from-file\nclient_secret = hunter2-file\nscopes = sql files\n\
    warehouse_id = wh-file\ncatalog = main\nrate_limit = 25\ncluster_id = of-another-tool\n";

fn builder(env: &'static [(&str, &str)], file: &'static str) -> ConfigBuilder {
    DatabricksConfig::builder()
        .variables(move |name| {
            env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
        .files(move |_: &Path| Ok(file.as_bytes().to_vec()))
}

#[test]
fn every_value_comes_from_the_first_source_that_has_it_and_says_so() {
    let env = &[
        ("HOME", "/home/me"),
        ("DATABRICKS_CONFIG_PROFILE", "PROD"),
        ("DATABRICKS_CLIENT_SECRET", "hunter2-env"),
        ("DATABRICKS_WAREHOUSE_ID", "wh-env"),
        ("DATABRICKS_CATALOG", "env"),
        ("DATABRICKS_TIMEOUT_SECS", "12"),
    ];
    let config = builder(env, CONFIG_FILE).catalog("code").load().unwrap();
    assert_eq!(config.host().as_str(), "https://prod.example/");
    assert_eq!(config.workspace_id(), Some("77"));
    assert_eq!((config.catalog(), config.warehouse_id()), (Some("code"), Some("wh-env")));
    assert_eq!(config.rate_limits().client().unwrap().requests_per_second(), 25.0);
    let Some(AuthConfig::OAuth { client_id, scopes, .. }) = config.auth() else { panic!("{config:?}") };
    assert_eq!((client_id.as_str(), scopes.join("+")), ("from-file", "sql+files".to_owned()));
    insta::assert_snapshot!(config.describe().to_string());
}

#[test]
fn a_configuration_made_in_code_says_so() {
    let config = DatabricksConfig::new("h.example")
        .unwrap()
        .with_token("hunter2".to_owned())
        .with_warehouse("wh")
        .with_rate_limit(5.0);
    let text = config.describe().to_string();
    assert_eq!(
        text,
        "authentication: pat\nhost = h.example (code)\ntoken = *** (code)\nwarehouse_id = wh (code)\nrate_limit = 5 (code)"
    );
    let more = config
        .clone()
        .with_plain_http(true)
        .with_circuit_breaker(CircuitBreakerConfig::default().with_failures(9))
        .with_product("loader", "1.2");
    assert_eq!(
        more.describe().to_string().strip_prefix(text.as_str()).unwrap(),
        "\ncircuit_breaker = 9 failures, 2 successes, open for 60s (code)\nplain_http = true (code)\n\
         product = loader/1.2 (code)"
    );
    let off = config.clone().with_circuit_breaker(CircuitBreakerConfig::off()).describe();
    assert_eq!(off.settings.last().unwrap().value, "off");
    let other = config.with_auth(AuthConfig::managed_identity(None)).describe();
    assert_eq!(other.auth_type.as_deref(), Some("azure-msi"));
    assert!(other.settings.iter().all(|setting| setting.name != "token"), "{other}");
}

proptest! {
    #[test]
    fn the_first_source_that_has_a_value_gives_it(
        code in option::of("[a-z]{1,8}"), env in option::of("[a-z]{1,8}"), file in option::of("[a-z]{1,8}"),
    ) {
        let line = file.as_ref().map(|file| format!("catalog = {file}\n")).unwrap_or_default();
        let text = format!("[P]\nhost = h.example\ntoken = t\n{line}");
        let in_env = env.clone();
        let builder = DatabricksConfig::builder()
            .variables(move |name| match name {
                "HOME" => Some("/home/me".to_owned()),
                "DATABRICKS_CATALOG" => in_env.clone(),
                _ => None,
            })
            .files(move |_: &Path| Ok(text.clone().into_bytes()))
            .profile("P");
        let builder = match code.clone() {
            Some(code) => builder.catalog(code),
            None => builder,
        };
        let config = builder.load().unwrap();
        let expected = code.or(env).or(file);
        prop_assert_eq!(config.catalog(), expected.as_deref());
    }
}

#[test]
fn a_described_value_stays_on_its_line() {
    let config = DatabricksConfig::new("h.example").unwrap().with_catalog("a\ntoken = forged (code)");
    assert_eq!(config.describe().to_string().lines().count(), 3);
}

#[test]
fn the_file_is_looked_for_where_it_is_named() {
    type Env = &'static [(&'static str, &'static str)];
    let table: &[(Env, Option<&str>)] = &[
        (&[("HOME", "/home/me")], Some("/home/me/.databrickscfg")),
        (&[("USERPROFILE", "/users/me")], Some("/users/me/.databrickscfg")),
        (&[("HOME", "/home/me"), ("DATABRICKS_CONFIG_FILE", "/etc/dbx")], Some("/etc/dbx")),
        (&[("HOME", "/home/me"), ("DATABRICKS_CONFIG_FILE", "~/dbx")], Some("/home/me/dbx")),
        (&[], None),
        (&[("HOME", "/home/me"), ("DATABRICKS_HOST", "h")], None),
        (&[("HOME", "/home/me"), ("DATABRICKS_CLIENT_ID", "c")], None),
        (
            &[("HOME", "/home/me"), ("DATABRICKS_HOST", "h"), ("DATABRICKS_CONFIG_PROFILE", "P")],
            Some("/home/me/.databrickscfg"),
        ),
        (&[("HOME", "/home/me"), ("DATABRICKS_WAREHOUSE_ID", "w")], Some("/home/me/.databrickscfg")),
    ];
    for (env, expected) in table {
        let read = Arc::new(Mutex::new(None));
        let seen = Arc::clone(&read);
        let env = *env;
        let builder = builder(env, "").files(move |path: &Path| {
            *seen.lock().unwrap() = Some(path.to_str().unwrap().to_owned());
            Err(io::ErrorKind::NotFound.into())
        });
        builder.load().unwrap_err();
        assert_eq!(read.lock().unwrap().as_deref(), *expected, "{env:?}");
    }
}

#[test]
fn a_file_that_somebody_counts_on_is_not_left_out_for_want_of_a_home() {
    type Env = &'static [(&'static str, &'static str)];
    let complete = [("DATABRICKS_HOST", "h.example"), ("DATABRICKS_TOKEN", "hunter2")];
    let table: &[(Env, Option<&str>)] = &[
        (&[("DATABRICKS_CONFIG_PROFILE", "PROD")], Some("DATABRICKS_CONFIG_PROFILE asks for")),
        (
            &[("DATABRICKS_CONFIG_PROFILE", "PROD"), ("DATABRICKS_CONFIG_FILE", "~/cfg")],
            Some("HOME is not set"),
        ),
        (&[("DATABRICKS_CONFIG_PROFILE", "PROD"), ("DATABRICKS_CONFIG_FILE", "/etc/cfg")], None),
        (&[], None),
    ];
    for (env, expected) in table {
        let env = *env;
        let builder = DatabricksConfig::builder()
            .variables(move |name| {
                let known = env.iter().chain(&complete).find(|(known, _)| *known == name);
                known.map(|(_, value)| (*value).to_owned())
            })
            .files(|_: &Path| Ok(CONFIG_FILE.as_bytes().to_vec()));
        match (builder.load(), expected) {
            (Ok(_), None) => {}
            (Err(error), Some(expected)) => assert!(error.to_string().contains(expected), "{error}"),
            (other, _) => panic!("{env:?}: {other:?}"),
        }
    }
}

#[test]
fn a_file_that_cannot_be_a_configuration_is_refused_by_name() {
    type Content = fn() -> io::Result<Vec<u8>>;
    let table: &[(Content, &str)] = &[
        (|| Ok(vec![0xff, 0xfe]), "the text is not UTF-8"),
        (|| Ok(vec![b'#'; (1 << 20) + 1]), "more than 1048576 bytes"),
        (|| Err(io::ErrorKind::PermissionDenied.into()), "permission denied"),
    ];
    for (content, expected) in table {
        let builder = builder(&[("HOME", "/home/me")], "").files(move |_: &Path| content());
        let error = builder.load().unwrap_err().to_string();
        assert!(error.starts_with("/home/me/.databrickscfg: ") && error.contains(expected), "{error}");
    }
}

#[test]
fn from_vars_reads_the_file_under_the_home_it_is_given() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".databrickscfg"), "[DEFAULT]\nhost = h.example\ntoken = hunter2")
        .unwrap();
    let folder = home.path().to_str().unwrap().to_owned();
    let config = DatabricksConfig::from_vars(|name| (name == "HOME").then(|| folder.clone())).unwrap();
    assert_eq!(config.host().as_str(), "https://h.example/");
    assert_eq!(config.auth().unwrap().auth_type(), "pat");
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated() {
    const PAT: &str = "dapi0123456789abcdef0123456789abcdef";
    const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJodW50ZXIyIn0.c2lnbmF0dXJlLWh1bnRlcjI";
    let host = format!("https://h.example/path?o=7&token={PAT}");
    let table = [
        vec![("DATABRICKS_HOST", "h.example"), ("DATABRICKS_TOKEN", "t"), ("DATABRICKS_TIMEOUT_SECS", PAT)],
        vec![("DATABRICKS_HOST", "h.example"), ("DATABRICKS_TOKEN", "t"), ("DATABRICKS_AUTH_TYPE", PAT)],
        vec![
            ("DATABRICKS_HOST", "h.example"),
            ("DATABRICKS_AUTH_TYPE", "env-oidc"),
            ("DATABRICKS_OIDC_TOKEN_ENV", JWT),
        ],
        vec![("DATABRICKS_HOST", host.as_str()), ("DATABRICKS_TOKEN", "t")],
    ];
    for variables in table {
        let variable =
            |name: &str| variables.iter().find(|(set, _)| *set == name).map(|(_, value)| value.to_string());
        let shown = match DatabricksConfig::from_vars(variable) {
            Ok(config) => format!("{config:?} {}", config.describe()),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!shown.contains("0123456789abcdef") && !shown.contains("aHVudGVy"), "{shown}");
        assert!(!shown.contains(JWT), "{shown}");
    }
}
