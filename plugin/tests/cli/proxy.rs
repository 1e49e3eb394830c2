//! Proxies between the plugin and the API server.

use std::{
    io::{Read, Write, copy},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::Stdio,
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use crate::{
    fake::Api,
    run::{binary, file, fixture},
};

/// Longest wait for a connection.
const DEADLINE: Duration = Duration::from_secs(60);

/// A SOCKS5 proxy without credentials that connects each client to `server`. Sends the names that clients asked for.
fn socks5(server: SocketAddr) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (names, requested) = mpsc::channel();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let [_, methods] = read(&mut client);
            let mut offered = vec![0; methods.into()];
            client.read_exact(&mut offered).unwrap();
            client.write_all(&[5, 0]).unwrap();
            let [version, command, _, kind, length] = read(&mut client);
            assert_eq!([version, command, kind], [5, 1, 3], "a connection by name");
            let mut name = vec![0; length.into()];
            client.read_exact(&mut name).unwrap();
            let [_, _] = read(&mut client);
            names.send(String::from_utf8(name).unwrap()).unwrap();
            client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
            let server = TcpStream::connect(server).unwrap();
            let (up, down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            // An end of either side ends the copy; there is nothing to check in it.
            thread::spawn(move || copy(&mut &up, &mut &server));
            thread::spawn(move || copy(&mut &down, &mut &client));
        }
    });
    (address, requested)
}

fn read<const N: usize>(stream: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// A kubeconfig for a server that only the proxy can resolve.
fn config(server: &str, proxy_url: Option<String>) -> PathBuf {
    let proxy = proxy_url.map(|url| format!(", proxy-url: '{url}'"));
    file(&format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters:\n- name: here\n  cluster: {{ server: '{server}'{} }}\n\
         contexts:\n- name: test\n  context: {{ cluster: here, namespace: shop }}\n",
        proxy.unwrap_or_default()
    ))
}

/// Runs `status`.
fn status(proxy_url: Option<String>, environment: Option<(&str, String)>) -> String {
    let output = binary(&["status", "demo", "-o", "name"])
        .env("KUBECONFIG", config("http://api.invalid:8080", proxy_url))
        .envs(environment)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_socks_proxy_of_the_kubeconfig_and_of_the_environment() {
    let api = Api::cluster(fixture("healthy.yaml"), Vec::new());
    let (proxy, requested) = socks5(api.address);
    let name = "cassandracluster.db.orange.com/demo\n";
    for scheme in ["socks5", "socks5h"] {
        let url = format!("{scheme}://{proxy}");
        assert_eq!(status(Some(url.clone()), None), name);
        assert_eq!(status(None, Some(("HTTP_PROXY", url))), name);
    }
    let names: Vec<String> = requested.try_iter().collect();
    assert_eq!(names, ["api.invalid"; 4]);
}

/// The server ends the connection after the first byte of TLS: the way to it is what matters.
#[test]
fn a_socks_proxy_of_the_environment_for_https() {
    const HANDSHAKE: u8 = 22;
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let (proxy, requested) = socks5(server.local_addr().unwrap());
    for scheme in ["socks5", "socks5h"] {
        let mut plugin = binary(&["status", "demo"])
            .env("KUBECONFIG", config("https://api.invalid:6443", None))
            .env("HTTPS_PROXY", format!("{scheme}://{proxy}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let name = requested.recv_timeout(DEADLINE).unwrap();
        assert_eq!(name, "api.invalid");
        let (mut connection, _) = server.accept().unwrap();
        assert_eq!(read(&mut connection), [HANDSHAKE]);
        plugin.kill().unwrap();
        plugin.wait().unwrap();
    }
}
