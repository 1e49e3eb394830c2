//! The proxy of an API server: that of the kubeconfig, or that of the environment unless `NO_PROXY` excepts the server.

use std::net::IpAddr;

use hyper_util::client::proxy::matcher::Matcher;

/// A variable of the environment, in upper or lower case.
pub fn environment(name: &str) -> Option<String> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    set(name).or_else(|| set(&name.to_lowercase()))
}

/// The URL of the proxy for the server at the URL `scheme://host`.
pub fn choose(
    configured: Option<&str>,
    scheme: &str,
    host: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Option<String> {
    if let Some(url) = configured.filter(|url| !url.is_empty()) {
        return Some(with_known_scheme(url));
    }
    let variable = if scheme == "http" {
        "HTTP_PROXY"
    } else {
        "HTTPS_PROXY"
    };
    let url = environment(variable)?;
    let excepted = environment("NO_PROXY").unwrap_or_default();
    (!is_excepted(scheme, host, &excepted)).then(|| with_known_scheme(&url))
}

/// A URL without a scheme is one of an HTTP proxy. Names are resolved by a SOCKS proxy in any case, so `socks5h`, which
/// asks for it, is the same as `socks5`.
fn with_known_scheme(url: &str) -> String {
    match url.split_once("://") {
        None => format!("http://{url}"),
        Some(("socks5h", rest)) => format!("socks5://{rest}"),
        Some(_) => url.to_owned(),
    }
}

/// Whether `list` excepts a host: `*`, a host, a domain with its subdomains, an address, or a network such as
/// `10.0.0.0/8`. This computer is always excepted, as in Go.
fn is_excepted(scheme: &str, host: &str, list: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse();
    if host == "localhost" || address.is_ok_and(|address: IpAddr| address.is_loopback()) {
        return true;
    }
    let entries = list.split([',', ' ']).filter(|entry| !entry.is_empty());
    let entries: Vec<&str> = entries.collect();
    // The matcher knows `*` for names only, and no `*.` before a domain.
    if entries.contains(&"*") {
        return true;
    }
    let entries = entries
        .iter()
        .map(|entry| entry.trim_start_matches('*'))
        .collect::<Vec<_>>();
    let matcher = Matcher::builder()
        .all("http://proxy")
        .no(entries.join(","))
        .build();
    let server = format!("{scheme}://{host}").parse();
    server.is_ok_and(|server| matcher.intercept(&server).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_excepts_hosts_domains_and_networks() {
        let list = "example.org, .corp, *.lan 10.0.0.0/8,192.0.2.7 ,2001:db8::/32";
        for host in [
            "example.org",
            "api.example.org",
            "k8s.corp",
            "k8s.lan",
            "10.1.2.3",
            "192.0.2.7",
            "[2001:db8::1]",
            "127.0.0.1",
            "[::1]",
            "localhost",
        ] {
            assert!(is_excepted("https", host, list), "{host}");
        }
        for host in [
            "example.com",
            "notexample.org",
            "11.0.0.1",
            "192.0.2.8",
            "[2001:db9::1]",
        ] {
            assert!(!is_excepted("https", host, list), "{host}");
        }
        for host in ["anything", "11.0.0.1"] {
            assert!(is_excepted("http", host, "*"), "{host}");
        }
        assert!(is_excepted("https", "11.0.0.1", "0.0.0.0/0"));
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
        assert_eq!(
            chosen(Some("socks5h://other:1"), "https").as_deref(),
            Some("socks5://other:1")
        );
        assert_eq!(chosen(None, "http"), None);
    }
}
