//! Proxies between the plugin and the API server.

use std::{
    io::{Read, Write, copy},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{self, Receiver},
    thread,
};

use crate::{
    fake::Api,
    run::{binary, file, fixture},
};

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

/// Runs `status` against a server that only the proxy can resolve.
fn status(proxy_url: Option<String>, environment: Option<(&str, String)>) -> String {
    let proxy = proxy_url.map(|url| format!(", proxy-url: '{url}'"));
    let config = file(&format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters:\n- name: here\n  cluster: {{ server: 'http://api.invalid:8080'{} }}\n\
         contexts:\n- name: test\n  context: {{ cluster: here, namespace: shop }}\n",
        proxy.unwrap_or_default()
    ));
    let output = binary(&["status", "demo", "-o", "name"])
        .env("KUBECONFIG", config)
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
