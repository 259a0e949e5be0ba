//! `NO_PROXY`: the hosts that are reached without a proxy.

use std::net::IpAddr;

use crate::place::address;

/// A list of hosts, as `NO_PROXY` holds it: entries between commas or white space, each a host name (with all names
/// below it; a leading dot makes no difference), an address, a network (`10.0.0.0/8`), each with a port if only that
/// port is meant, or `*` for every host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NoProxy(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// A name in lower case without dots around it, and all names below it.
    Domain(String),
    Network {
        address: IpAddr,
        bits: u8,
    },
}

impl NoProxy {
    /// Reads a list. An entry that means nothing matches nothing.
    pub(crate) fn parse(list: &str) -> Self {
        let entries = list.split(|c: char| c == ',' || c.is_whitespace());
        Self(entries.filter(|entry| !entry.is_empty()).filter_map(Entry::parse).collect())
    }

    /// Whether no host is reached by a proxy.
    pub(crate) fn is_everything(&self) -> bool {
        self.0.iter().any(|entry| entry.hosts == Hosts::All && entry.port.is_none())
    }

    /// Whether a host, as a URL has it, is in the list.
    pub(crate) fn contains(&self, host: &str, port: u16) -> bool {
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        let address = address(host);
        let fits = |entry: &&Entry| entry.port.is_none_or(|only| only == port);
        self.0.iter().filter(fits).any(|entry| entry.hosts.contain(&name, address))
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = split_port(text)?;
        Some(Self { hosts: Hosts::parse(host)?, port })
    }
}

/// `host`, `host:port`, `[address]`, `[address]:port`, or an IPv6 address as it is.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((address, Some(port.parse().ok()?))),
            None => rest.is_empty().then_some((address, None)),
        };
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => Some((host, Some(port.parse().ok()?))),
        _ => Some((text, None)),
    }
}

impl Hosts {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::All);
        }
        if let Some((address, bits)) = text.split_once('/') {
            let address: IpAddr = address.parse().ok()?;
            let bits = bits.parse().ok().filter(|bits| *bits <= width(address))?;
            return Some(Self::Network { address, bits });
        }
        if let Some(address) = address(text) {
            return Some(Self::Network { address, bits: width(address) });
        }
        let name = text.strip_prefix("*.").unwrap_or(text).trim_matches('.');
        // Names beyond ASCII travel in another spelling.
        let spelled = match url::Host::parse(name) {
            Ok(url::Host::Domain(name)) => name,
            _ => name.to_ascii_lowercase(),
        };
        (!spelled.is_empty()).then_some(Self::Domain(spelled))
    }

    fn contain(&self, name: &str, address: Option<IpAddr>) -> bool {
        match self {
            Self::All => true,
            Self::Domain(domain) => {
                let below = name.strip_suffix(domain.as_str());
                address.is_none() && below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            Self::Network { address: network, bits } => {
                address.is_some_and(|address| same_start(address, *network, *bits))
            }
        }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Whether two addresses of one kind agree in their first bits.
fn same_start(one: IpAddr, other: IpAddr, bits: u8) -> bool {
    let (one, other) = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            (u128::from(u32::from(one)) << 96, u128::from(u32::from(other)) << 96)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => (u128::from(one), u128::from(other)),
        _ => return false,
    };
    let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
    one & mask == other & mask
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_entry_covers_what_it_names() {
        let table: &[(&str, &[&str], &[&str])] = &[
            ("*", &["h.example", "10.0.0.1", "[::1]"], &[]),
            (
                "h.example",
                &["h.example", "H.EXAMPLE", "a.h.example", "h.example."],
                &["xh.example", "example"],
            ),
            (".h.example", &["h.example", "a.h.example"], &["xh.example"]),
            ("*.h.example", &["a.b.h.example"], &["other.example"]),
            ("h.example.", &["h.example"], &[]),
            ("a.example, b.example\tc.example,,", &["a.example", "b.example", "c.example"], &["d.example"]),
            ("10.0.0.1", &["10.0.0.1", "[::ffff:10.0.0.1]"], &["10.0.0.2", "a.10.0.0.1"]),
            ("10.0.0.0/8", &["10.255.0.1"], &["11.0.0.1", "h.example", "[a00::]"]),
            ("10.0.0.0/0", &["1.2.3.4"], &["[::1]"]),
            ("10.0.0.0/33", &[], &["10.0.0.0", "10.0.0.1"]),
            ("fd00::/8", &["[fd12::1]"], &["[fe00::1]", "253.0.0.1"]),
            ("::1", &["[::1]"], &["[::2]"]),
            ("[::1]", &["[::1]"], &[]),
            ("h.example:8443", &[], &["h.example"]),
            ("h.example:443", &["h.example"], &[]),
            ("[::1]:443", &["[::1]"], &[]),
            ("10.0.0.1:443", &["10.0.0.1"], &[]),
            ("*:443", &["h.example"], &[]),
            ("h.example:https", &[], &["h.example"]),
            ("bücher.example", &["xn--bcher-kva.example"], &[]),
            ("", &[], &["h.example", ""]),
            (".", &[], &["h.example"]),
        ];
        for (list, inside, outside) in table {
            let list = NoProxy::parse(list);
            for host in *inside {
                assert!(list.contains(host, 443), "{list:?} {host}");
            }
            for host in *outside {
                assert!(!list.contains(host, 443), "{list:?} {host}");
            }
        }
        assert!(NoProxy::parse("a,*").is_everything());
        assert!(!NoProxy::parse("*:80,a").is_everything());
    }

    proptest! {
        #[test]
        fn no_list_is_too_strange(list in "\\PC{0,40}", host in "\\PC{0,20}") {
            NoProxy::parse(&list).contains(&host, 443);
        }

        #[test]
        fn an_address_is_in_every_network_around_it(address: u32, bits in 0_u8..=32) {
            let address = std::net::Ipv4Addr::from(address);
            let list = NoProxy::parse(&format!("{address}/{bits}"));
            prop_assert!(list.contains(&address.to_string(), 1));
        }
    }
}
