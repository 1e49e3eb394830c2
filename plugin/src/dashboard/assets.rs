//! The files of the page, and the headers of every answer.

use hyper::{
    HeaderMap,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Files of the page by path, with their media types. They have no data.
const FILES: [(&str, &str, &str); 9] = [
    ("/", HTML, include_str!("../../assets/dashboard/index.html")),
    (
        "/style.css",
        CSS,
        include_str!("../../assets/dashboard/style.css"),
    ),
    (
        "/page.js",
        SCRIPT,
        include_str!("../../assets/dashboard/page.js"),
    ),
    (
        "/stream.js",
        SCRIPT,
        include_str!("../../assets/dashboard/stream.js"),
    ),
    (
        "/ring.js",
        SCRIPT,
        include_str!("../../assets/dashboard/ring.js"),
    ),
    (
        "/dom.js",
        SCRIPT,
        include_str!("../../assets/dashboard/dom.js"),
    ),
    (
        "/actions.js",
        SCRIPT,
        include_str!("../../assets/dashboard/actions.js"),
    ),
    (
        "/operations.js",
        SCRIPT,
        include_str!("../../assets/dashboard/operations.js"),
    ),
    (
        "/icon.svg",
        SVG,
        include_str!("../../assets/dashboard/icon.svg"),
    ),
];

/// Scripts, styles, the icon and data come from this server, and nothing else is loaded, framed, or sent anywhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The headers of every answer.
const HEADERS: [(hyper::header::HeaderName, &str); 8] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
    (
        hyper::header::HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        hyper::header::HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        hyper::header::HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    ),
];

/// The media type and the text of a file of the page.
pub fn file(path: &str) -> Option<(&'static str, &'static str)> {
    let file = FILES.iter().find(|(known, ..)| *known == path);
    file.map(|(_, media_type, text)| (*media_type, *text))
}

/// Adds the headers of every answer.
pub fn protect(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
