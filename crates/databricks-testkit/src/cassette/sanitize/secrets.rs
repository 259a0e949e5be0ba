//! The check before saving: no secret may be left, not even inside of what sanitizers leave alone.

use std::fmt;
use std::io::Read;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder;
use serde_json::Value;

use super::super::body::CassetteBody;
use super::super::cassette::Cassette;
use super::super::error::{CassetteError, CassetteErrorKind};
use super::super::interaction::{Interaction, Outcome};
use super::super::texts;
use super::super::variables::bindings::Bindings;
use super::super::variables::text_of;
use super::assignments;
use super::keys::{Keys, Meaning};
use super::known::Known;
use super::shapes::{self, REDACTED};

/// A text in base64 of fewer characters is too short to hold a secret.
const SHORTEST_ENCODED: usize = 24;
/// Layers of encoding that are looked through: base64 in LZ4 in base64.
const LAYERS: u32 = 4;
/// Bytes of a decompressed body that are searched.
const LONGEST_DECODED: u64 = 256 * 1024 * 1024;
const LZ4_MAGIC: [u8; 4] = [0x04, 0x22, 0x4D, 0x18];
const GZIP_MAGIC: [u8; 2] = [0x1F, 0x8B];

/// Searches a cassette for secrets: those it is told, and whatever has the shape of one.
///
/// Every text is searched, the bytes of binary bodies, and what is inside of base64, LZ4 frames and gzip. Inside of
/// other compressed data, such as the pages of a Parquet file, nothing is found.
///
/// ```
/// use databricks_testkit::{Cassette, SecretScan};
///
/// let scan = SecretScan::new().with_secret("correct horse");
/// scan.check(&Cassette::new())?;
/// # Ok::<(), databricks_testkit::CassetteError>(())
/// ```
#[derive(Clone, Default)]
pub struct SecretScan {
    known: Known,
    keys: Keys,
}

impl SecretScan {
    /// A check for the shapes of secrets.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn of(known: Known, keys: Keys) -> Self {
        Self { known, keys }
    }

    /// Also looks for this secret: as it is, percent-encoded, escaped in JSON, in base64.
    #[must_use]
    pub fn with_secret(mut self, secret: &str) -> Self {
        self.known.add_secret(secret, REDACTED);
        self
    }

    /// Refuses a cassette in which a secret is left.
    ///
    /// # Errors
    /// When one is left. The error names the interaction, the place in it and the kind of secret, never the secret.
    /// Also when a secret to look for is too short to be looked for.
    pub fn check(&self, cassette: &Cassette) -> Result<(), CassetteError> {
        self.known.validate()?;
        for (name, value) in cassette.variables().iter() {
            self.refuse(self.in_bytes(text_of(value).as_bytes(), 0), &format!("variable `{name}`"))?;
        }
        let bindings = Bindings::as_recorded(cassette.variables());
        for (index, template) in cassette.interactions().iter().enumerate() {
            // Names in the place of values could cut a secret in pieces.
            let interaction = bindings.fill_interaction(template);
            self.check_interaction(&interaction)
                .map_err(|error| error.at(format_args!("interaction {}", index + 1)))?;
        }
        Ok(())
    }

    fn check_interaction(&self, interaction: &Interaction) -> Result<(), CassetteError> {
        let mut result = Ok(());
        texts::of_interaction(interaction, &mut |place, text| {
            if result.is_ok() {
                result = self.refuse(self.in_text(place, text), place);
            }
        });
        result?;
        self.check_body("request/body", &interaction.request.body)?;
        match &interaction.outcome {
            Outcome::Response(response) => self.check_body("response/body", &response.body),
            Outcome::Failure(_) => Ok(()),
        }
    }

    /// Texts inside of bodies are searched by their places.
    fn check_body(&self, place: &str, body: &CassetteBody) -> Result<(), CassetteError> {
        match body {
            CassetteBody::Binary(bytes) => self.refuse(self.in_bytes(bytes, 0), place),
            _ => Ok(()),
        }
    }

    fn refuse(&self, found: Option<String>, place: &str) -> Result<(), CassetteError> {
        let Some(kind) = found else { return Ok(()) };
        let message = format!(
            "{place} holds a secret ({kind}); nothing was saved. Add a sanitizer that removes it, \
             or keep it out of what is recorded"
        );
        Err(CassetteError::new(CassetteErrorKind::Secret, message))
    }

    fn in_text(&self, place: &str, text: &str) -> Option<String> {
        let name = place.rsplit('/').next().unwrap_or_default();
        let is_value =
            name != texts::pointer_token(text) && (place.contains("/body/") || place.contains("/query/"));
        if is_value && self.keys.meaning(name) == Meaning::Credential && !is_harmless(text) {
            return Some("a credential, by its name".to_owned());
        }
        // What a shape says is more exact than what a name says.
        self.in_bytes(text.as_bytes(), 0).or_else(|| {
            let named = !assignments::find(text, &self.keys).is_empty();
            named.then(|| "a credential, by the name before it".to_owned())
        })
    }

    /// The kind of the first secret found.
    fn in_bytes(&self, bytes: &[u8], layer: u32) -> Option<String> {
        if self.known.secret_forms().any(|form| contains(bytes, form.as_bytes())) {
            return Some("one that the sanitizers were told".to_owned());
        }
        if is_credential_in_json(bytes, &self.keys) {
            return Some("a credential, by its name".to_owned());
        }
        let shape = shapes::find(bytes).into_iter().next().map(|found| found.kind.to_owned());
        shape.or_else(|| self.inside(bytes, layer))
    }

    /// What is found one layer further in.
    fn inside(&self, bytes: &[u8], layer: u32) -> Option<String> {
        if layer >= LAYERS {
            return None;
        }
        if let Some((format, decoded)) = decompressed(bytes) {
            return self.in_bytes(&decoded, layer + 1).map(|kind| format!("{kind}, inside of {format}"));
        }
        let runs = bytes.split(|b| !is_base64(*b)).filter(|run| run.len() >= SHORTEST_ENCODED);
        let mut decoded = runs.flat_map(decodings);
        decoded.find_map(|decoded| self.in_bytes(&decoded, layer + 1)).map(|kind| {
            match kind.contains("inside of") {
                true => kind,
                false => format!("{kind}, inside of base64"),
            }
        })
    }
}

impl fmt::Debug for SecretScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { known, keys: _ } = self;
        f.debug_struct("SecretScan").field("forms", &known.secret_forms().count()).finish_non_exhaustive()
    }
}

/// What stands for a credential that was removed.
pub(super) fn is_harmless(text: &str) -> bool {
    text.is_empty() || text == REDACTED || text == "0" || (text.starts_with('[') && text.ends_with(']'))
}

/// Whether bytes are JSON, or a line of it each, with a credential under its name.
fn is_credential_in_json(bytes: &[u8], keys: &Keys) -> bool {
    if !matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return false;
    }
    let values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    values.map_while(Result::ok).any(|value| holds_credential(&value, keys, false))
}

fn holds_credential(value: &Value, keys: &Keys, named: bool) -> bool {
    match value {
        Value::String(text) => named && !is_harmless(text),
        Value::Array(values) => values.iter().any(|value| holds_credential(value, keys, named)),
        Value::Object(members) => members.iter().any(|(name, value)| {
            holds_credential(value, keys, named || keys.meaning(name) == Meaning::Credential)
        }),
        _ => false,
    }
}

fn contains(bytes: &[u8], form: &[u8]) -> bool {
    let Some(first) = form.first() else { return false };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|b| b == first) {
        let candidate = rest.get(at..).unwrap_or_default();
        if candidate.starts_with(form) {
            return true;
        }
        rest = candidate.get(1..).unwrap_or_default();
    }
    false
}

fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_')
}

/// A run of base64 may begin behind other characters of the alphabet, such as a path: each alignment is tried.
fn decodings(run: &[u8]) -> impl Iterator<Item = Bytes> {
    let alphabet = if run.iter().any(|b| matches!(b, b'-' | b'_')) { URL_SAFE } else { STANDARD };
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let engine = GeneralPurpose::new(&alphabet, config);
    (0..4).filter_map(move |skip| {
        let aligned = run.get(skip..)?;
        // One character alone holds no byte.
        let whole = if aligned.len() % 4 == 1 { aligned.len() - 1 } else { aligned.len() };
        engine.decode(aligned.get(..whole)?).ok().map(Bytes::from)
    })
}

/// What LZ4 frames or gzip hold, as far as they can be read.
fn decompressed(bytes: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    let mut decoded = Vec::new();
    if bytes.starts_with(&LZ4_MAGIC) {
        read_lz4(bytes, &mut decoded);
        return Some(("LZ4", decoded));
    }
    if bytes.starts_with(&GZIP_MAGIC) {
        // What was read before a failure is searched all the same.
        let _ = MultiGzDecoder::new(bytes).take(LONGEST_DECODED).read_to_end(&mut decoded);
        return Some(("gzip", decoded));
    }
    None
}

/// An object of a result is several frames, one after the other.
fn read_lz4(bytes: &[u8], decoded: &mut Vec<u8>) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (before, left) = (rest.len(), LONGEST_DECODED.saturating_sub(decoded.len() as u64));
        let mut decoder = FrameDecoder::new(&mut rest);
        let read = Read::by_ref(&mut decoder).take(left).read_to_end(decoded);
        drop(decoder);
        if read.is_err() || rest.len() == before {
            return;
        }
    }
}
