//! Where a request goes, read off its address: the host, the port, and what a message may repeat of it. Pure.

use std::net::IpAddr;

use http::Uri;
use http::uri::{Authority, Scheme};

/// Scheme, host and port: what an error may repeat. Paths and queries of storage links are secrets.
pub(crate) fn target(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("http");
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    format!("{scheme}://{}", without_user(authority))
}

/// Host and port of `user:password@host:port`.
pub(crate) fn without_user(authority: &str) -> &str {
    authority.rsplit('@').next().unwrap_or_default()
}

/// Takes user and password out of an address. Requests do not carry them, and whoever logs addresses would show them.
pub(crate) fn remove_user(uri: &mut Uri) {
    let Some(authority) = uri.authority().filter(|authority| authority.as_str().contains('@')) else {
        return;
    };
    let Ok(bare) = Authority::try_from(without_user(authority.as_str())) else { return };
    let mut parts = std::mem::take(uri).into_parts();
    parts.authority = Some(bare);
    // Its parts were those of an address before.
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

/// Whether TLS is spoken with the host.
pub(crate) fn is_https(uri: &Uri) -> bool {
    uri.scheme() == Some(&Scheme::HTTPS)
}

/// The port, written or not.
pub(crate) fn port(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(if is_https(uri) { 443 } else { 80 })
}

/// A host as people write it: an IPv6 address stands in brackets only where a port may follow.
pub(crate) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

/// The address that a host is, unless it is a name. IPv4 in the clothes of IPv6 is IPv4.
pub(crate) fn address(host: &str) -> Option<IpAddr> {
    without_brackets(host).parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Whether a URL's host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    match address(host) {
        Some(address) => address.is_loopback(),
        None => host.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("localhost")),
    }
}

/// Whether a URL's host is a neighbour on the same link, as the metadata services of clouds are.
pub(crate) fn is_link_local(host: &str) -> bool {
    match address(host) {
        Some(IpAddr::V4(address)) => address.is_link_local(),
        Some(IpAddr::V6(address)) => address.is_unicast_link_local(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_target_of_a_message_has_no_path_query_or_password() {
        for (uri, shown) in [
            ("https://user:pw@h.example:8443/secret?sig=x", "https://h.example:8443"),
            ("http://[::1]:80/secret", "http://[::1]:80"),
            ("/secret", "http://"),
        ] {
            assert_eq!(target(&uri.parse().unwrap()), shown);
        }
    }

    #[test]
    fn only_the_user_is_taken_out_of_an_address() {
        for (uri, bare) in [
            ("https://me:pw@h.example:8443/a@b?c=@", "https://h.example:8443/a@b?c=@"),
            ("http://token@[::1]/", "http://[::1]/"),
            ("https://h.example/x@y", "https://h.example/x@y"),
            ("/x@y", "/x@y"),
        ] {
            let mut given = uri.parse().unwrap();
            remove_user(&mut given);
            assert_eq!(given, bare, "{uri}");
        }
    }

    #[test]
    fn a_port_that_is_not_written_is_the_schemes() {
        for (uri, expected) in
            [("https://h/", 443), ("HTTPS://h/", 443), ("http://h/", 80), ("http://h:443/", 443), ("/x", 80)]
        {
            assert_eq!(port(&uri.parse().unwrap()), expected, "{uri}");
        }
    }

    #[test]
    fn loopback_is_this_machine_only() {
        for host in [
            "localhost",
            "LOCALHOST",
            "a.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "10.0.0.1", "0.0.0.0", "notlocalhost", "", "[localhost]", "[::2]"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn link_local_is_by_number() {
        for host in ["169.254.169.254", "[fe80::1]", "::ffff:169.254.1.1"] {
            assert!(is_link_local(host), "{host}");
        }
        for host in ["169.253.1.1", "fe80", "metadata.internal", ""] {
            assert!(!is_link_local(host), "{host}");
        }
    }
}
