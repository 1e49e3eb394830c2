//! Which proxy to use: that of the kubeconfig, or that of the environment unless `NO_PROXY` excepts the server.

use std::net::IpAddr;

/// A variable of the environment, in upper or lower case.
pub fn environment(name: &str) -> Option<String> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    set(name).or_else(|| set(&name.to_lowercase()))
}

/// The URL of the proxy for a server.
pub fn choose(
    configured: Option<&str>,
    scheme: &str,
    host: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Option<String> {
    if let Some(url) = configured.filter(|url| !url.is_empty()) {
        return Some(url.to_owned());
    }
    let variable = if scheme == "http" {
        "HTTP_PROXY"
    } else {
        "HTTPS_PROXY"
    };
    let excepted = environment("NO_PROXY").unwrap_or_default();
    let url = environment(variable)?;
    let url = if url.contains("://") {
        url
    } else {
        format!("http://{url}")
    };
    (!is_excepted(host.trim_matches(['[', ']']), &excepted)).then_some(url)
}

/// `*`, a host, a domain with those below it, an address, or a network such as `10.0.0.0/8`.
fn is_excepted(host: &str, list: &str) -> bool {
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    list.split([',', ' '])
        .filter(|entry| !entry.is_empty())
        .any(|entry| {
            if entry == "*" || entry.eq_ignore_ascii_case(host) {
                return true;
            }
            if let Some(address) = address {
                return in_network(address, entry);
            }
            let domain = entry.trim_start_matches('*').trim_start_matches('.');
            let at = host.len().checked_sub(domain.len());
            at.is_some_and(|at| {
                at > 1 && host[at..].eq_ignore_ascii_case(domain) && host[..at].ends_with('.')
            })
        })
}

fn in_network(address: IpAddr, network: &str) -> bool {
    let Some((base, bits)) = network.split_once('/') else {
        return network.parse() == Ok(address);
    };
    let (Ok(base), Ok(bits)) = (base.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    let masked =
        |number: u128, width: u32| number.checked_shr(width.saturating_sub(bits)).unwrap_or(0);
    match (address, base) {
        (IpAddr::V4(address), IpAddr::V4(base)) => {
            masked(u32::from(address).into(), 32) == masked(u32::from(base).into(), 32)
        }
        (IpAddr::V6(address), IpAddr::V6(base)) => {
            masked(address.into(), 128) == masked(base.into(), 128)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_excepts_hosts_domains_and_networks() {
        let list = "example.org, .corp, 10.0.0.0/8,192.0.2.7 ,2001:db8::/32";
        for host in [
            "example.org",
            "api.example.org",
            "k8s.corp",
            "10.1.2.3",
            "192.0.2.7",
            "2001:db8::1",
            "127.0.0.1",
        ] {
            assert!(is_excepted(host, list), "{host}");
        }
        for host in [
            "example.com",
            "notexample.org",
            "corp",
            "11.0.0.1",
            "192.0.2.8",
            "2001:db9::1",
        ] {
            assert!(!is_excepted(host, list), "{host}");
        }
        assert!(is_excepted("anything", "*"));
        assert!(is_excepted("11.0.0.1", "0.0.0.0/0"));
    }

    #[test]
    fn the_kubeconfig_wins_over_the_environment() {
        let environment = |name: &str| (name == "HTTPS_PROXY").then(|| "proxy:3128".to_owned());
        let chosen = |configured, scheme| choose(configured, scheme, "api.corp", &environment);
        assert_eq!(chosen(None, "https").as_deref(), Some("http://proxy:3128"));
        assert_eq!(
            chosen(Some("http://other:1"), "https").as_deref(),
            Some("http://other:1")
        );
        assert_eq!(chosen(None, "http"), None);
    }
}
