//! A proxy to API servers, for clients that speak HTTP (`CONNECT`) or SOCKS5, both at one port. The target of each tunnel is
//! printed.

use std::{
    io::{Read, Result, Write, copy},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
};

/// Longest head of a request, in bytes.
const HEAD: usize = 4096;
/// The version that begins each message of SOCKS5.
const SOCKS: u8 = 5;
/// The kind of a target that is an IPv4 address, and not a name.
const IPV4: u8 = 1;

/// Listens on this machine, at a port that it prints.
pub fn run() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    println!("listens {port}");
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            // A client that goes away ends its tunnel.
            thread::spawn(move || serve(&client));
        }
    });
    // The proxy ends with the input.
    crate::commands().for_each(drop);
}

fn serve(mut client: &TcpStream) -> Result<()> {
    let mut first = [0];
    client.peek(&mut first)?;
    let (kind, target) = if first == [SOCKS] {
        ("socks5", socks5(client)?)
    } else {
        ("connect", connect(client)?)
    };
    let server = TcpStream::connect(&target)?;
    println!("{kind} {target}");
    client.write_all(match kind {
        "socks5" => &[SOCKS, 0, 0, 1, 0, 0, 0, 0, 0, 0],
        _ => b"HTTP/1.1 200 Connection established\r\n\r\n",
    })?;
    let (up, down) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || pass(&up, &server));
    pass(&down, client)
}

/// Passes the bytes of one direction on, until its end.
fn pass(mut from: &TcpStream, mut to: &TcpStream) -> Result<()> {
    copy(&mut from, &mut to)?;
    to.shutdown(Shutdown::Write)
}

/// The target of `CONNECT`.
fn connect(mut client: &TcpStream) -> Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD {
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head);
    let mut words = head.split(' ');
    assert_eq!(words.next(), Some("CONNECT"), "{head}");
    Ok(words.next().unwrap_or_default().to_owned())
}

/// The target of a SOCKS5 client without credentials.
fn socks5(client: &TcpStream) -> Result<String> {
    let [_, methods] = read(client)?;
    read_text(client, methods.into())?;
    let mut answers = client;
    answers.write_all(&[SOCKS, 0])?;
    let [_, _, _, kind] = read(client)?;
    let host = if kind == IPV4 {
        let address: [u8; 4] = read(client)?;
        std::net::Ipv4Addr::from(address).to_string()
    } else {
        let [length] = read(client)?;
        read_text(client, length.into())?
    };
    Ok(format!("{host}:{}", u16::from_be_bytes(read(client)?)))
}

fn read<const N: usize>(mut client: &TcpStream) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_text(mut client: &TcpStream, length: usize) -> Result<String> {
    let mut bytes = vec![0; length];
    client.read_exact(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
