//! A stand-in for the native transport of a node in tests. It knows roles, and what 4.1.10 and 5.0.9 were seen to answer about
//! them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    thread,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{
    Address, Login,
    frame::{Frame, Opcode},
};

const BAD_CREDENTIALS: u32 = 0x0100;
const UNAUTHORIZED: u32 = 0x2100;

/// A role of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) password: String,
    pub(crate) may_log_in: bool,
    pub(crate) is_superuser: bool,
}

/// State of the node.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) roles: BTreeMap<String, Role>,
    /// Strategy of the replicas of the roles.
    pub(crate) replication: String,
    /// Its options.
    pub(crate) factors: BTreeMap<String, String>,
    /// Keyspaces and tables.
    pub(crate) resources: BTreeSet<String>,
    /// Permissions, as `SELECT ON KEYSPACE "orders" orders`.
    pub(crate) granted: BTreeSet<String>,
    /// Name and password of logins that are let in although the password is another one by now.
    pub(crate) cached: Vec<(String, String)>,
    /// Number of logins of a role for which the node remembers its password after it has read it.
    pub(crate) remembers: usize,
    /// The passwords that it remembers, and for how many logins.
    memory: BTreeMap<String, (Option<String>, usize)>,
    /// Number of logins that were tried.
    pub(crate) logins: usize,
    /// Statements that were carried out, without passwords.
    pub(crate) carried_out: Vec<String>,
    /// Statements that are carried out before the answers are lost; all if there is no number.
    pub(crate) answers: Option<usize>,
    /// Code and message of the answer to every statement.
    pub(crate) error: Option<(u32, String)>,
    /// A role about which no statement is answered.
    pub(crate) silent_about: Option<String>,
    /// Whether the node asks for no login.
    pub(crate) is_open: bool,
}

/// A node.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) socket: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Server {
    /// A node that has started for the first time, and has created its default role.
    pub(crate) fn new() -> Self {
        Self::start(("127.0.0.1", 0), None)
    }

    /// The same with this address and port.
    pub(crate) fn at(ip: &str, port: u16) -> Self {
        Self::start((ip, port), None)
    }

    /// The same with an encrypted transport.
    pub(crate) fn encrypted(config: ServerConfig) -> Self {
        Self::start(("127.0.0.1", 0), Some(Arc::new(config)))
    }

    fn start(at: (&str, u16), tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(at).unwrap();
        let default = Role {
            password: "cassandra".into(),
            may_log_in: true,
            is_superuser: true,
        };
        let server = Self {
            socket: listener.local_addr().unwrap(),
            state: Arc::new(Mutex::new(State {
                roles: [("cassandra".to_owned(), default)].into(),
                replication: "org.apache.cassandra.locator.SimpleStrategy".into(),
                factors: [("replication_factor".to_owned(), "1".to_owned())].into(),
                ..State::default()
            })),
        };
        let state = server.state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (state, tls) = (state.clone(), tls.clone());
                thread::spawn(move || match tls {
                    None => serve(stream, &state),
                    Some(config) => {
                        let connection = ServerConnection::new(config).unwrap();
                        serve(StreamOwned::new(connection, stream), &state)
                    }
                });
            }
        });
        server
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Address {
        Address {
            socket: self.socket,
            tls: None,
        }
    }

    /// Reads or changes its state.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    /// Whether a login is let in.
    pub(crate) fn lets_in(&self, login: &Login) -> bool {
        self.with(|state| state.lets_in(&login.username, &login.password))
    }
}

/// Answers the requests of a connection until it ends.
fn serve(mut stream: impl Read + Write, state: &Mutex<State>) -> io::Result<()> {
    let mut user = String::new();
    loop {
        let request = Frame::read_request(&mut stream)?;
        let mut state = state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let answer = match request.opcode {
            Opcode::Startup if state.is_open => frame(Opcode::Ready, Vec::new()),
            Opcode::Startup => {
                let class = b"org.apache.cassandra.auth.PasswordAuthenticator";
                let length = u16::try_from(class.len())
                    .map_err(io::Error::other)?
                    .to_be_bytes();
                frame(Opcode::Authenticate, [&length[..], class].concat())
            }
            Opcode::AuthResponse => {
                let login = request.long_text();
                let mut parts = login.split('\0').skip(1);
                let (name, password) = (parts.next().unwrap(), parts.next().unwrap());
                user = name.to_owned();
                if state.log_in(name, password) {
                    frame(Opcode::AuthSuccess, vec![0xFF; 4])
                } else {
                    // With the parts of the login, which nobody may show.
                    error(BAD_CREDENTIALS, &format!("{name} {password} incorrect"))
                }
            }
            _ => {
                let text = request.long_text();
                let mut silent = state.silent_about.iter();
                if silent.any(|role| text.contains(&format!("= '{role}'"))) {
                    return Ok(());
                }
                let answer = state.carry_out(&user, &text);
                if state.answers == Some(0) {
                    return Ok(());
                }
                state.answers = state.answers.map(|left| left - 1);
                answer
            }
        };
        drop(state);
        stream.write_all(&answer.answer())?;
        stream.flush()?;
    }
}

impl State {
    fn log_in(&mut self, name: &str, password: &str) -> bool {
        self.logins += 1;
        let mut cached = self.cached.iter();
        if cached.any(|(user, old)| user == name && old == password) {
            return true;
        }
        if let Some((known, left)) = self.memory.get_mut(name)
            && *left > 0
        {
            *left -= 1;
            return known.as_deref() == Some(password);
        }
        let known = self.roles.get(name).map(|role| role.password.clone());
        let remembered = (known, self.remembers);
        self.memory.insert(name.to_owned(), remembered);
        self.lets_in(name, password)
    }

    fn lets_in(&self, name: &str, password: &str) -> bool {
        let role = self.roles.get(name);
        role.is_some_and(|role| role.may_log_in && role.password == password)
    }

    fn carry_out(&mut self, user: &str, text: &str) -> Frame {
        if let Some((code, message)) = &self.error {
            return error(*code, message);
        }
        if !self.roles[user].is_superuser {
            return error(UNAUTHORIZED, "only superusers");
        }
        let words: Vec<&str> = text.split(' ').collect();
        let name = |word: &str| word.trim_matches('"').to_owned();
        match words[..] {
            ["SELECT", "can_login,", ..] => {
                let role = text
                    .rsplit('\'')
                    .nth(1)
                    .and_then(|role| self.roles.get(role));
                let flags = role.map(|role| [role.may_log_in, role.is_superuser]);
                let cells = flags.map(|flags| flags.map(|flag| vec![u8::from(flag)]));
                rows(&[0x04, 0x04], cells.map(Vec::from))
            }
            ["SELECT", "keyspace_name" | "table_name", ..] => {
                let names: Vec<&str> = text.split('\'').skip(1).step_by(2).collect();
                let is_there = self.resources.contains(&names.join("."));
                rows(&[0x0D], is_there.then(|| vec![b"there".to_vec()]))
            }
            ["GRANT", ..] => {
                self.carried_out.push(text.to_owned());
                self.granted
                    .insert(text["GRANT ".len()..].replace(" TO ", " "));
                nothing()
            }
            ["REVOKE", ..] => {
                self.carried_out.push(text.to_owned());
                let granted = text["REVOKE ".len()..].replace(" FROM ", " ");
                self.granted.remove(&granted);
                nothing()
            }
            ["SELECT", "JSON", ..] => {
                let quoted: Vec<&str> = text.split('\'').skip(1).step_by(2).collect();
                let (role, resource) = (quoted[0], quoted[1]);
                let path: Vec<&str> = resource.split('/').skip(1).collect();
                let on = match path[..] {
                    [] => "ALL KEYSPACES".to_owned(),
                    [keyspace] => format!("KEYSPACE \"{keyspace}\""),
                    _ => format!("TABLE \"{}\".\"{}\"", path[0], path[1]),
                };
                let of = format!(" ON {on} \"{role}\"");
                let granted = self.granted.iter();
                let granted: Vec<&str> = granted
                    .filter_map(|granted| granted.strip_suffix(&of))
                    .collect();
                let row = serde_json::json!({ "permissions": granted }).to_string();
                rows(
                    &[0x0D],
                    (!granted.is_empty()).then(|| vec![row.into_bytes()]),
                )
            }
            ["SELECT", "data_center", ..] => rows(&[0x0D], Some(vec![b"dc1".to_vec()])),
            ["SELECT", "replication", ..] => {
                let entries = u32::try_from(self.factors.len() + 1).unwrap();
                let mut map = entries.to_be_bytes().to_vec();
                let factors = self.factors.iter().flat_map(|(dc, count)| [dc, count]);
                let class = ["class", &self.replication];
                for text in class.into_iter().chain(factors.map(String::as_str)) {
                    map.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
                    map.extend(text.as_bytes());
                }
                rows(&[0x21], Some(vec![map]))
            }
            ["ALTER", "KEYSPACE", ..] => {
                self.carried_out.push(text.to_owned());
                self.replication = "org.apache.cassandra.locator.NetworkTopologyStrategy".into();
                let options = text.trim_end_matches('}').split(", ").skip(1);
                let options = options.map(|option| option.split_once(": ").unwrap());
                let options =
                    options.map(|(dc, count)| (dc.trim_matches('\'').into(), count.into()));
                self.factors = options.collect();
                nothing()
            }
            ["CREATE", "ROLE", _, _, _, role, ..] => {
                self.carried_out.push(format!("CREATE {role}"));
                let created = Role {
                    password: password(text),
                    may_log_in: true,
                    is_superuser: text.contains("SUPERUSER = true"),
                };
                self.roles.entry(name(role)).or_insert(created);
                nothing()
            }
            ["ALTER", "ROLE", role, ..] => self.alter(user, &name(role), text),
            _ => panic!("an unknown statement: {}", words[0]),
        }
    }

    fn alter(&mut self, user: &str, role: &str, text: &str) -> Frame {
        if role == user && text.contains("SUPERUSER") {
            let told = "You aren't allowed to alter your own superuser status";
            return error(UNAUTHORIZED, told);
        }
        self.carried_out.push(format!("ALTER \"{role}\""));
        let altered = self.roles.get_mut(role).unwrap();
        if text.contains("PASSWORD") {
            altered.password = password(text);
        }
        for is_on in [false, true] {
            if text.contains(&format!("LOGIN = {is_on}")) {
                altered.may_log_in = is_on;
            }
            if text.contains(&format!("SUPERUSER = {is_on}")) {
                altered.is_superuser = is_on;
            }
        }
        nothing()
    }
}

fn password(text: &str) -> String {
    let (_, after) = text.split_once("PASSWORD = '").unwrap();
    let end = after.find("' AND").unwrap_or(after.len() - 1);
    after[..end].replace("''", "'")
}

fn frame(opcode: Opcode, body: Vec<u8>) -> Frame {
    Frame { opcode, body }
}

fn nothing() -> Frame {
    frame(Opcode::Result, 1_u32.to_be_bytes().to_vec())
}

fn error(code: u32, message: &str) -> Frame {
    let mut body = code.to_be_bytes().to_vec();
    string(&mut body, message);
    frame(Opcode::Error, body)
}

/// At most one row, with columns of these types; 0x21 is a map of texts.
fn rows(types: &[u16], row: Option<Vec<Vec<u8>>>) -> Frame {
    let int = |number: usize| u32::try_from(number).unwrap().to_be_bytes();
    let mut body = Vec::new();
    for part in [2, 1, types.len()] {
        body.extend(int(part));
    }
    string(&mut body, "system_auth");
    string(&mut body, "roles");
    for of in types {
        string(&mut body, "column");
        body.extend(of.to_be_bytes());
        if *of == 0x21 {
            body.extend([0, 0x0D, 0, 0x0D]);
        }
    }
    body.extend(int(usize::from(row.is_some())));
    for cell in row.into_iter().flatten() {
        body.extend(int(cell.len()));
        body.extend(cell);
    }
    frame(Opcode::Result, body)
}

fn string(body: &mut Vec<u8>, text: &str) {
    body.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    body.extend(text.as_bytes());
}
