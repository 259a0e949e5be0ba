//! The secrets that are planted, and how they are found again in whatever shape.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use databricks_transport::encode_segment;

/// What is planted, and where. The word in the middle says which one was found.
pub(super) const TOKEN: &str = "plant-token+/x=";
pub(super) const CLIENT_SECRET: &str = "plant-client+/x é";
pub(super) const MINTED: &str = "plant-minted+/x=";
pub(super) const ID_TOKEN: &str = "plant-subject+/x=";
pub(super) const GITHUB: &str = "plant-github+/x=";
pub(super) const OWN_HEADER: &str = "plant-header+/x=";
pub(super) const QUERY: &str = "plant-query+/x=";
pub(super) const LINK_PATH: &str = "plant-path";
pub(super) const LINK_QUERY: &str = "plant-signature+/x=";
pub(super) const BODY: &str = "plant-body+/x=";
pub(super) const ANSWERED: &str = "plant-answered+/x=";
pub(super) const COOKIE: &str = "plant-cookie";
pub(super) const LOCATION: &str = "plant-location";
pub(super) const HOST_PASSWORD: &str = "plant-password";
/// Of the user `me`.
pub(super) const PROXY_PASSWORD: &str = "plant-proxy+/x=";

const ALL: &[&str] = &[
    TOKEN,
    CLIENT_SECRET,
    MINTED,
    ID_TOKEN,
    GITHUB,
    OWN_HEADER,
    QUERY,
    LINK_PATH,
    LINK_QUERY,
    BODY,
    ANSWERED,
    COOKIE,
    LOCATION,
    HOST_PASSWORD,
    PROXY_PASSWORD,
];

/// How each of them starts, plainly and in base64. What follows may be encoded in many ways: these starts are the same in
/// URLs, in forms, in JSON and in both alphabets of base64, and behind `client-1:` and `me:` too, because both are as long
/// as whole groups of base64.
pub(super) fn starts() -> Vec<(&'static str, String)> {
    let each = |secret: &'static str| {
        let plain = secret.split('+').next().unwrap();
        let groups = &plain.as_bytes()[..plain.len() / 3 * 3];
        [(secret, plain.to_owned()), (secret, BASE64_STANDARD.encode(groups))]
    };
    ALL.iter().flat_map(|secret| each(secret)).collect()
}

/// What a proxy is sent with every request.
pub(super) fn proxy_basic() -> String {
    BASE64_STANDARD.encode(format!("me:{PROXY_PASSWORD}"))
}

/// The URL of a proxy at this address.
pub(super) fn proxy_url(address: &str) -> String {
    format!("http://me:{}@{address}", encode_segment(PROXY_PASSWORD))
}

#[test]
fn every_spelling_of_a_secret_has_its_start() {
    for (number, secret) in ALL.iter().enumerate() {
        let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let basic = |user: &str| BASE64_STANDARD.encode(format!("{user}:{secret}"));
        let encoded = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(secret);
        let spellings = [form, encode_segment(secret), encoded, basic("client-1"), basic("me")];
        for spelling in spellings {
            let found = starts().into_iter().position(|(_, start)| spelling.contains(&start));
            assert_eq!(found.map(|at| at / 2), Some(number), "{spelling}");
        }
    }
}
