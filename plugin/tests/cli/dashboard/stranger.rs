//! Another program on the port of a dashboard that has ended, and what a page in Chromium makes of it.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{browser::open, chromium::Chromium, page::Dashboard, serving};
use crate::run::fixture;

/// Answers every request on this port with a stream of these messages, and counts them.
fn take_over(port: u16, messages: &'static str) -> Arc<AtomicUsize> {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    // It ends with the tests.
    thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head = lines.map_while(Result::ok);
            if head.take_while(|line| !line.is_empty()).count() > 0 {
                count.fetch_add(1, Ordering::Relaxed);
            }
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
            let _ = stream.write_all(format!("{head}{messages}").as_bytes());
            open.push(stream);
        }
    });
    asked
}

fn opened() -> (Dashboard, Chromium) {
    let (api, _changes) = serving(vec![fixture("healthy.yaml")]);
    let dashboard = Dashboard::open(&api, &[]);
    let mut browser = Chromium::start();
    open(&mut browser, &dashboard);
    (dashboard, browser)
}

/// The messages of a program that does not have the proof.
const FORGED: &str = "data: {\"proof\":\"0000\"}\n\ndata: {\"now\":\"2026-11-22T17:05:18Z\",\"view\":{\"forged\":true}}\n\n";

#[test]
#[ignore = "needs Chromium: make test-dashboard"]
fn a_stranger_on_the_port_shows_nothing_and_is_asked_once() {
    let (dashboard, mut browser) = opened();
    let port = dashboard.port;
    drop(dashboard);
    browser.see("The dashboard does not answer");
    let asked = take_over(port, FORGED);
    browser.see("Another program answers at this address");
    // Neither time, nor another cluster, nor another look at the tab begins it again.
    browser.value("location.hash = '#/shop/other'");
    browser.value("document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))");
    browser.value("new Promise((done) => setTimeout(done, 1500))");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    browser.see("Another program answers at this address");
}

/// A program without the proof cannot put its words on the page by refusing it either.
#[test]
#[ignore = "needs Chromium: make test-dashboard"]
fn a_message_without_a_proof_is_no_message() {
    let (dashboard, mut browser) = opened();
    let port = dashboard.port;
    drop(dashboard);
    browser.see("The dashboard does not answer");
    take_over(port, ": alive\n\n");
    browser.see("Another program answers at this address");
}

/// A cluster that the page cannot read, or cannot draw, is told as that, and a stream follows.
#[test]
#[ignore = "needs Chromium: make test-dashboard"]
fn what_a_page_cannot_show_is_told() {
    for (message, told) in [
        (
            "data: {\n\n",
            "The dashboard sent what this page does not understand",
        ),
        (
            "data: {\"now\":\"2026-11-22T17:05:18Z\",\"view\":{\"connection\":{\"isLive\":true,\"state\":\"live\",\"tone\":\"good\"},\"clusters\":1}}\n\n",
            "This page cannot show what the dashboard sent",
        ),
    ] {
        let (dashboard, mut browser) = opened();
        let (port, proof) = (dashboard.port, dashboard.proof.clone());
        drop(dashboard);
        browser.see("The dashboard does not answer");
        let messages = format!("data: {{\"proof\":\"{proof}\"}}\n\n{message}");
        take_over(port, messages.leak());
        browser.see(told);
        browser.see("6 of 6 nodes ready");
    }
}
