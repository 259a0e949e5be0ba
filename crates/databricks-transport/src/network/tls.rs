//! Whom to trust: the certificate authorities of this machine, and those of a file.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Error, ErrorKind};

/// The largest file of certificates that is read, in bytes. All authorities of a system have a quarter of a megabyte.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// TLS 1.2 and up, HTTP/2 where the server has it. Files are read off the runtime's threads.
pub(super) async fn config(ca_file: Option<PathBuf>) -> Result<Arc<ClientConfig>, Error> {
    let reading = tokio::task::spawn_blocking(move || roots(ca_file.as_deref(), of_this_machine));
    let roots =
        reading.await.map_err(|error| unusable("reading certificates failed").with_source(error))??;
    // Named, because with two providers in one program rustls refuses to choose.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error.to_string()).with_source(error))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn unusable(why: &str) -> Error {
    Error::new(ErrorKind::Config, format!("TLS cannot be used: {why}"))
}

/// The certificates of this machine, and what went wrong with others.
struct Native {
    certificates: Vec<CertificateDer<'static>>,
    trouble: Option<String>,
}

/// `SSL_CERT_FILE` and `SSL_CERT_DIR` stand in for the system's when they are set.
fn of_this_machine() -> Native {
    let loaded = rustls_native_certs::load_native_certs();
    Native { certificates: loaded.certs, trouble: loaded.errors.first().map(ToString::to_string) }
}

fn roots(ca_file: Option<&Path>, native: impl FnOnce() -> Native) -> Result<RootCertStore, Error> {
    let own = ca_file.map(certificates).transpose()?.unwrap_or_default();
    let Native { certificates, trouble } = native();
    if let Some(trouble) = &trouble {
        tracing::debug!(trouble, "some certificates of this machine cannot be read");
    }
    let mut roots = RootCertStore::empty();
    // Systems keep old certificates that nobody can read any more.
    roots.add_parsable_certificates(certificates);
    for (path, certificate) in own {
        roots.add(certificate).map_err(|error| {
            let what = format!("{path} holds a certificate that cannot be read ({error}): replace the file");
            Error::new(ErrorKind::Config, what).with_source(error)
        })?;
    }
    if roots.is_empty() {
        let trouble = trouble.map(|trouble| format!(" ({trouble})")).unwrap_or_default();
        let remedy = "install the system's CA certificates, set SSL_CERT_FILE, or name a file by with_ca_file or \
            DATABRICKS_CA_FILE";
        return Err(unusable(&format!("this machine has no CA certificates{trouble}; {remedy}")));
    }
    Ok(roots)
}

/// The certificates of a file, each with the file's name.
fn certificates(path: &Path) -> Result<Vec<(String, CertificateDer<'static>)>, Error> {
    let shown = path.display().to_string();
    let wrong = |why: String| {
        let remedy =
            "name a file of certificate authorities in PEM form by with_ca_file or DATABRICKS_CA_FILE";
        Error::new(ErrorKind::Config, format!("the CA file {shown} {why}: {remedy}"))
    };
    let bytes = read(path).map_err(|error| wrong(format!("cannot be read ({error})")).with_source(error))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(wrong(format!("has more than {LARGEST_FILE} bytes")));
    }
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|error| wrong(format!("is not intact PEM ({error:?})")))?;
        found.push((shown.clone(), certificate));
    }
    if found.is_empty() {
        let kind =
            if bytes.first() == Some(&0x30) { "; it may be DER, which openssl can convert" } else { "" };
        return Err(wrong(format!("has no certificate in it{kind}")));
    }
    Ok(found)
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn nothing() -> Native {
        Native { certificates: Vec::new(), trouble: Some("no such folder".into()) }
    }

    fn authority() -> String {
        rcgen::generate_simple_self_signed(["ca.example".to_owned()]).unwrap().cert.pem()
    }

    fn file(content: impl AsRef<[u8]>) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn a_file_of_several_certificates_is_enough_for_a_machine_without_any() {
        let bundle = format!("# comment\r\n{}\r\ntext between\n{}", authority(), authority());
        assert_eq!(roots(Some(file(bundle).path()), nothing).unwrap().len(), 2);
        let error = roots(None, nothing).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        for part in ["no CA certificates (no such folder)", "SSL_CERT_FILE", "DATABRICKS_CA_FILE"] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn the_machines_own_certificates_are_kept() {
        let der =
            rcgen::generate_simple_self_signed(["native.example".to_owned()]).unwrap().cert.der().clone();
        let broken = CertificateDer::from(vec![1, 2, 3]);
        let native = || Native { certificates: vec![der, broken], trouble: None };
        assert_eq!(roots(Some(file(authority()).path()), native).unwrap().len(), 2);
    }

    #[test]
    fn a_file_that_is_none_is_refused_with_its_name() {
        let pem = authority();
        let cut = &pem[..pem.len() / 2];
        let key = "-----BEGIN PRIVATE KEY-----\nMC4CAQ==\n-----END PRIVATE KEY-----\n";
        let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let odd = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
        for (content, expected) in [
            (&b""[..], "no certificate in it"),
            (b"\x30\x82\x01\x0a", "may be DER"),
            (b"\xff\xfe\x00garbage\n", "no certificate in it"),
            (key.as_bytes(), "no certificate in it"),
            (cut.as_bytes(), "is not intact PEM"),
            (odd.as_bytes(), "is not intact PEM"),
            (empty.as_bytes(), "cannot be read"),
        ] {
            let file = file(content);
            let error = roots(Some(file.path()), nothing).unwrap_err();
            let (shown, path) = (error.to_string(), file.path().display().to_string());
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(shown.contains(expected) && shown.contains(&path), "{content:?}: {shown}");
        }
        let error = roots(Some(Path::new("/nowhere/ca.pem")), nothing).unwrap_err().to_string();
        assert!(
            error.contains("/nowhere/ca.pem cannot be read") && error.contains("with_ca_file"),
            "{error}"
        );
        let error = roots(Some(std::env::temp_dir().as_path()), nothing).unwrap_err().to_string();
        assert!(error.contains("cannot be read"), "{error}");
    }
}
