//! Collecting settings: code, then the environment, then a profile of the configuration file.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::profile::ConfigFile;
use super::setting::{Key, Origin, Settings, Value};
use crate::error::{Error, ErrorKind};
use crate::redact::is_plain;

/// The file in the home folder that is read when no other is named.
const FILE: &str = ".databrickscfg";
/// The largest configuration file that is read, in bytes. Real ones have a few hundred.
const LARGEST_FILE: u64 = 1024 * 1024;

/// Reads a variable of the environment.
pub(super) type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;
/// Reads a file.
pub(super) type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<Vec<u8>>;

/// Adds to what code has set what the environment and then the profile have. A blank value counts as not set.
pub(super) fn collect(code: Settings, variable: Variable<'_>, read: ReadFile<'_>) -> Result<Settings, Error> {
    let mut settings = code;
    from_environment(&mut settings, variable);
    from_file(&mut settings, variable, read)?;
    take_oidc_token(&mut settings, variable);
    Ok(settings)
}

/// A variable of this process.
pub(super) fn of_process(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// A file of this machine, unless it is too large to be a configuration.
pub(super) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn variable_value(variable: Variable<'_>, name: &str) -> Option<Value> {
    let text = variable(name)?;
    let text = text.trim();
    (!text.is_empty()).then(|| Value::new(text, Origin::Variable(name.to_owned())))
}

fn from_environment(settings: &mut Settings, variable: Variable<'_>) {
    let arm =
        ["ARM_CLIENT_ID", "ARM_CLIENT_SECRET"].iter().any(|name| variable_value(variable, name).is_some());
    for key in Key::ALL.iter().filter(|key| **key != Key::OidcToken) {
        // An id of one spelling with a secret of the other would be two principals mixed.
        let is_pair = matches!(key, Key::AzureClientId | Key::AzureClientSecret);
        let names = key.variables().iter().filter(|name| !(is_pair && arm && name.starts_with("AZURE_")));
        let value = match key {
            Key::HttpProxy => from_variables(*key, variable),
            _ => names.filter_map(|name| variable_value(variable, name)).next(),
        };
        if let Some(value) = value {
            settings.offer(*key, value);
        }
    }
}

/// What a setting's variables have, the first one that is not blank.
pub(super) fn from_variables(key: Key, variable: Variable<'_>) -> Option<Value> {
    // In a CGI program a request's `Proxy` header is the variable HTTP_PROXY: anybody could name a proxy.
    if key == Key::HttpProxy && variable("REQUEST_METHOD").is_some() {
        return None;
    }
    key.variables().iter().find_map(|name| variable_value(variable, name))
}

/// The token that federation exchanges is in the variable that another setting names.
fn take_oidc_token(settings: &mut Settings, variable: Variable<'_>) {
    let name = settings.text(Key::OidcTokenEnv).unwrap_or(Key::OidcToken.variable()).to_owned();
    if let Some(value) = variable_value(variable, &name) {
        settings.offer(Key::OidcToken, value);
    }
}

fn from_file(settings: &mut Settings, variable: Variable<'_>, read: ReadFile<'_>) -> Result<(), Error> {
    if let Some(set) = reason_to_skip(settings, variable) {
        settings.file_note = Some(format!(
            "no profile was read because {set} is set; name one by {}",
            Key::Profile.variable()
        ));
        return Ok(());
    }
    let asked = settings.get(Key::Profile).cloned();
    let Some(path) = path(settings, variable) else { return without_home(settings) };
    let shown: Arc<str> = path.display().to_string().into();
    let wrong = |why: String| {
        let by = asked.as_ref().map(|asked| format!(" (asked for by {})", asked.label(Key::Profile)));
        Error::new(ErrorKind::Config, format!("{shown}: {why}{}", by.unwrap_or_default()))
    };
    let bytes = match read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_optional(settings) => {
            settings.file_note = Some(format!("there is no {shown}"));
            return Ok(());
        }
        Err(error) => return Err(wrong(format!("the configuration file cannot be read: {error}"))),
    };
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(wrong(format!("this is no configuration file: it has more than {LARGEST_FILE} bytes")));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| wrong("the text is not UTF-8".to_owned()))?;
    let file = ConfigFile::parse(text).map_err(wrong)?;
    match file.profile(asked.as_ref().map(Value::text)).map_err(wrong)? {
        Some(profile) => {
            let origin = Origin::Profile { name: profile.name.as_str().into(), file: shown };
            if profile.is_chosen {
                settings.offer(Key::Profile, Value::new(profile.name, origin.clone()));
            }
            take_keys(settings, &profile.keys, &origin);
        }
        None => settings.file_note = Some(format!("{shown} has no profile `DEFAULT`")),
    }
    Ok(())
}

fn take_keys(settings: &mut Settings, keys: &std::collections::BTreeMap<String, String>, origin: &Origin) {
    for (name, text) in keys {
        let text = text.trim();
        match Key::ALL.iter().find(|key| key.is_of_profiles() && key.name() == name) {
            Some(_) if text.is_empty() => {}
            Some(key) => settings.offer(*key, Value::new(text, origin.clone())),
            // Other tools keep settings of their own here. A line that is no setting may be a secret that was pasted.
            None if text.is_empty() || !is_plain(name) => {}
            None => {
                tracing::debug!(key = %name, %origin, "a key of the profile means nothing to this client")
            }
        }
    }
}

/// Whoever names a host or a credential and no profile means that, and not what a default profile adds to it.
fn reason_to_skip(settings: &Settings, variable: Variable<'_>) -> Option<String> {
    if settings.get(Key::Profile).is_some() {
        return None;
    }
    if let Some(value) = variable_value(variable, Key::OidcToken.variable()) {
        return Some(value.label(Key::OidcToken));
    }
    let counts = |key: Key, value: &Value| match &value.origin {
        // Other programs' credentials; they are ours only when nothing is missing.
        Origin::Variable(name) if name.starts_with("AZURE_") => {
            [Key::AzureTenantId, Key::AzureClientId, Key::AzureClientSecret]
                .iter()
                .all(|key| settings.get(*key).is_some())
        }
        _ => key == Key::Host || key.is_credential(),
    };
    settings.iter().find(|(key, value)| counts(*key, value)).map(|(key, value)| value.label(key))
}

/// A file or profile that somebody named must exist.
fn is_optional(settings: &Settings) -> bool {
    settings.get(Key::Profile).is_none() && settings.get(Key::ConfigFile).is_none()
}

/// Nobody says where the file is. That is an error for whoever counts on it.
fn without_home(settings: &Settings) -> Result<(), Error> {
    let counts = |key: Key| settings.get(key).map(|value| value.label(key));
    match counts(Key::Profile).or_else(|| counts(Key::ConfigFile)) {
        Some(asked) => Err(Error::new(
            ErrorKind::Config,
            format!(
                "{asked} asks for a configuration file under the home folder, and HOME is not set: set it, or name the \
                file by {}",
                Key::ConfigFile.variable()
            ),
        )),
        None => Ok(()),
    }
}

fn path(settings: &Settings, variable: Variable<'_>) -> Option<PathBuf> {
    let home = || {
        let home = variable_value(variable, "HOME").or_else(|| variable_value(variable, "USERPROFILE"))?;
        Some(PathBuf::from(home.text()))
    };
    match settings.text(Key::ConfigFile) {
        Some(named) => match named.strip_prefix("~/") {
            Some(rest) => Some(home()?.join(rest)),
            None => Some(PathBuf::from(named)),
        },
        None => Some(home()?.join(FILE)),
    }
}
