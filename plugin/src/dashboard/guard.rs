//! Which requests are answered: only those of a browser of this machine, for this server, and data only with the token. Pure.

use hyper::{
    HeaderMap, Method, StatusCode,
    header::{AUTHORIZATION, HOST, HeaderValue, ORIGIN},
};

use super::token::Token;

/// The refusal of a request: its status, and a sentence for people.
pub type Refusal = (StatusCode, &'static str);

/// The server that requests have to be meant for.
pub struct Guard {
    hosts: Vec<String>,
    token: Token,
}

impl Guard {
    /// Of the server on this port.
    pub fn new(port: u16, token: Token) -> Self {
        let mut hosts = vec![format!("127.0.0.1:{port}")];
        // Browsers leave out the usual port.
        if port == 80 {
            hosts.push("127.0.0.1".to_owned());
        }
        Self { hosts, token }
    }

    /// Whether a request is one of this server: a name that another site has set to this address does not reach it.
    pub fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
        if method != Method::GET {
            let text = "The page changes nothing: there is only GET.\n";
            return Err((StatusCode::METHOD_NOT_ALLOWED, text));
        }
        let mut hosts = headers.get_all(HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => self.hosts.iter().find(|own| host == own.as_str()),
            _ => None,
        };
        let Some(host) = host else {
            let text =
                "This address is not that of the dashboard: open the printed link as it is.\n";
            return Err((StatusCode::MISDIRECTED_REQUEST, text));
        };
        let origin = format!("http://{host}");
        let is_own = |given: &HeaderValue| given == origin.as_str();
        if !headers.get_all(ORIGIN).iter().all(is_own) {
            let text = "Another site may not read the dashboard.\n";
            return Err((StatusCode::FORBIDDEN, text));
        }
        Ok(())
    }

    /// Whether a request may have data.
    pub fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let site = headers.get("sec-fetch-site");
        if site.is_some_and(|site| site != "same-origin") {
            let text = "Another site may not read the dashboard.\n";
            return Err((StatusCode::FORBIDDEN, text));
        }
        let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let given = given.and_then(|given| given.strip_prefix(b"Bearer "));
        if given.is_some_and(|given| self.token.is(given)) {
            return Ok(());
        }
        let text = "This link is not that of the running dashboard: open the link that kubectl casskop dashboard printed last.\n";
        Err((StatusCode::FORBIDDEN, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            let value = HeaderValue::from_str(value).unwrap_or_else(|_| unreachable!());
            headers.append(*name, value);
        }
        headers
    }

    fn guard_of(port: u16) -> Guard {
        let token = Token::new().unwrap_or_else(|_| unreachable!());
        Guard::new(port, token)
    }

    fn guard() -> Guard {
        guard_of(8080)
    }

    #[test]
    fn the_usual_port_may_be_left_out() {
        for (port, expected) in [(80, true), (8080, false)] {
            let given = [("host", "127.0.0.1"), ("origin", "http://127.0.0.1")];
            let checked = guard_of(port).check(&Method::GET, &headers(&given));
            assert_eq!(checked.is_ok(), expected, "{port}");
        }
    }

    #[test]
    fn only_the_own_host_and_origin_are_answered() {
        let checked = |given: &[(&'static str, &str)]| {
            let checked = guard().check(&Method::GET, &headers(given));
            checked.map_or_else(|(status, _)| status.as_u16(), |()| 200)
        };
        let own = ("host", "127.0.0.1:8080");
        assert_eq!(checked(&[own]), 200);
        assert_eq!(checked(&[]), 421);
        assert_eq!(checked(&[own, own]), 421);
        for host in [
            "evil.example:8080",
            // Another program may be bound to ::1.
            "localhost:8080",
            "127.0.0.1",
            "127.0.0.1:80",
            "127.0.0.1:8080.evil.example",
        ] {
            assert_eq!(checked(&[("host", host)]), 421, "{host}");
        }
        assert_eq!(checked(&[own, ("origin", "http://127.0.0.1:8080")]), 200);
        for origin in [
            "http://evil.example",
            "null",
            "http://localhost:8080",
            "https://127.0.0.1:8080",
        ] {
            assert_eq!(checked(&[own, ("origin", origin)]), 403, "{origin}");
        }
        let post = guard().check(&Method::POST, &headers(&[own]));
        assert_eq!(post.map_err(|(status, _)| status.as_u16()), Err(405));
    }

    #[test]
    fn only_the_token_has_data() {
        let guard = guard();
        let right = format!("Bearer {}", guard.token.as_str());
        let is_right = |given: &[(&'static str, &str)]| guard.authorize(&headers(given)).is_ok();
        assert!(is_right(&[("authorization", &right)]));
        assert!(is_right(&[
            ("authorization", &right),
            ("sec-fetch-site", "same-origin")
        ]));
        for site in ["cross-site", "same-site", "none"] {
            let given = [("authorization", &*right), ("sec-fetch-site", site)];
            assert!(!is_right(&given), "{site}");
        }
        assert!(!is_right(&[]));
        for wrong in ["", "Bearer", "Bearer ", &right[..20], &right[7..]] {
            assert!(!is_right(&[("authorization", wrong)]), "{wrong}");
        }
    }
}
