//! TLS against servers on this machine, with certificate authorities made for the test.

use std::convert::Infallible;
use std::sync::Arc;

use crate::support::local;
use bytes::Bytes;
use databricks_transport::{ApiRequest, Client, Error, ErrorKind, Operation};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const READ: Operation = Operation::new("test.read").idempotent();

/// A certificate authority, and the file that a client trusts it by.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub(crate) file: tempfile::NamedTempFile,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), issuer.pem()).unwrap();
        Self { issuer, file }
    }

    /// The server's side for a host, speaking these protocols.
    pub(crate) fn acceptor(&self, host: &str, protocols: &[&str]) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A server that answers every request with its protocol's version, as JSON. Returns its port.
pub(crate) async fn https_server(acceptor: TlsAcceptor) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(socket).await else { return };
                let service = hyper::service::service_fn(|request: http::Request<_>| {
                    let _: &hyper::body::Incoming = request.body();
                    let version = format!("{:?}", request.version());
                    let answer = http::Response::new(Full::new(Bytes::from(json!(version).to_string())));
                    futures::future::ready(Ok::<_, Infallible>(answer))
                });
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    port
}

async fn get(client: &Client) -> Result<Value, Error> {
    client.call(READ, ApiRequest::get("/x")).await
}

#[tokio::test]
async fn an_authority_of_our_own_is_trusted_by_its_file_and_the_protocol_is_agreed() {
    let authority = Authority::new();
    for (host, protocols, version) in [
        ("localhost", &["h2", "http/1.1"][..], "HTTP/2.0"),
        ("localhost", &["http/1.1"], "HTTP/1.1"),
        ("localhost", &[], "HTTP/1.1"),
        ("127.0.0.1", &["h2"], "HTTP/2.0"),
    ] {
        let port = https_server(authority.acceptor(host, protocols)).await;
        let config = local(&format!("https://{host}:{port}")).with_ca_file(authority.file.path());
        assert_eq!(get(&Client::new(config).unwrap()).await.unwrap(), version, "{host} {protocols:?}");
    }
}

#[tokio::test]
async fn any_authority_of_a_bundle_is_trusted() {
    let authorities = [Authority::new(), Authority::new()];
    let bundle = tempfile::NamedTempFile::new().unwrap();
    let pems =
        authorities.each_ref().map(|authority| std::fs::read_to_string(authority.file.path()).unwrap());
    std::fs::write(bundle.path(), pems.concat()).unwrap();
    for authority in &authorities {
        let port = https_server(authority.acceptor("localhost", &["h2"])).await;
        let config = local(&format!("https://localhost:{port}")).with_ca_file(bundle.path());
        get(&Client::new(config).unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_right_is_refused_with_the_remedy() {
    let (ours, other) = (Authority::new(), Authority::new());
    for (authority, host, named, expected) in [
        (&other, "localhost", "localhost", "DATABRICKS_CA_FILE"),
        (&ours, "h.example", "localhost", "check the host"),
        (&ours, "localhost", "127.0.0.1", "check the host"),
    ] {
        let port = https_server(authority.acceptor(host, &["h2", "http/1.1"])).await;
        let config = local(&format!("https://{named}:{port}")).with_ca_file(ours.file.path());
        let request = ApiRequest::post("/x").body("data");
        let write = Operation::new("test.write");
        let error = Client::new(config).unwrap().send(write, request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.to_string().contains(&format!("https://{named}:{port}")), "{error}");
        assert!(!error.is_ambiguous(), "nothing was sent");
    }
}

#[tokio::test]
async fn a_ca_file_that_is_none_fails_the_first_request_and_not_the_building() {
    let config = local("https://localhost:1").with_ca_file("/nowhere/ca.pem");
    let client = Client::new(config).unwrap();
    let error = get(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Config, 1));
    assert!(error.to_string().contains("/nowhere/ca.pem cannot be read"), "{error}");
}
