//! Sets up the logins of a new ring, from inside its first pod: creates the superuser, and shuts out the role that everybody
//! knows. Only this pod can connect meanwhile. Each part may be repeated, and is derived from what Cassandra has: the process
//! may end at any point.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    path::Path,
    time::{Duration, Instant},
};

use casskop_common::names::DEFAULT_ROLE;
use casskop_core::{
    node::Statement,
    pod_config::{jolokia_secret, logins},
};

use crate::{
    bootstrap,
    node_api::{
        Gate,
        cql::{Address, CqlError, Login, Session},
    },
    probe::Args,
    random,
};

/// Deadline of all exchanges of a probe, below the default timeout of the kubelet.
const DEADLINE: Duration = Duration::from_secs(8);
/// Bytes of the password that nobody knows.
const PASSWORD_BYTES: usize = 24;

/// Replication that moves the roles when another data center is added.
const SIMPLE: &str = "SimpleStrategy";

/// Sets up the logins if the pod was started for that: the folder has the superuser then. The volume gets the mark when
/// Cassandra has shown that they are set up.
///
/// # Errors
/// They are not set up; nobody else can connect. Never has a password.
pub(super) fn set_up(args: &Args) -> Result<(), String> {
    if !is_asked(args) {
        return Ok(());
    }
    let superuser = read(&args.superuser)?;
    let address = bootstrap::native_address(&args.directory);
    let (host, port) = address.map_err(|error| error.to_string())?;
    let address = (host.as_str(), port).to_socket_addrs().ok();
    let address = address.and_then(|mut all| all.next());
    let address = address.ok_or_else(|| format!("{host} has no address"))?;
    if !address.ip().is_loopback() {
        return Err(format!(
            "logins are not set up: the native transport listens on {host}, where others can connect"
        ));
    }
    at(address, &superuser).map_err(|error| format!("logins are not set up: {error}"))?;
    bootstrap::mark_logins(&args.data).map_err(|error| error.to_string())
}

/// Whether the pod was started for the set-up.
pub(super) fn is_asked(args: &Args) -> bool {
    args.superuser.exists()
}

fn read(folder: &Path) -> Result<Login, String> {
    let value = |key: &str| std::fs::read(folder.join(key)).ok();
    let unusable = |why: String| format!("the Secret with the superuser {why}");
    Ok(Login {
        username: logins::username(value("username").as_deref())
            .map_err(|invalid| unusable(invalid.to_string()))?,
        password: jolokia_secret::password(value("password").as_deref())
            .map_err(|invalid| unusable(invalid.to_string()))?,
    })
}

fn at(socket: SocketAddr, superuser: &Login) -> Result<(), CqlError> {
    let address = Address { socket, tls: None };
    let deadline = Instant::now() + DEADLINE;
    let open = |login: &Login| Session::open(Gate::open(), &address, login, deadline);
    let mut session = match open(superuser) {
        Err(CqlError::Refused(_)) => {
            let default = Login {
                username: DEFAULT_ROLE.into(),
                password: DEFAULT_ROLE.into(),
            };
            let create = Statement::create_role(&superuser.username, &superuser.password, true);
            open(&default)?.run(&create)?;
            open(superuser)?
        }
        session => session?,
    };
    shut_out_default(&mut session)?;
    replicate_by_data_center(&mut session)
}

/// The role stays, and nobody knows its password.
fn shut_out_default(session: &mut Session) -> Result<(), CqlError> {
    session.shut_out(DEFAULT_ROLE, || {
        let password = random::text(PASSWORD_BYTES);
        let none = CqlError::Malformed("the system gives no random bytes");
        password
            .map(|password| Statement::shut_out_default(&password))
            .ok_or(none)
    })
}

/// With one node this moves nothing.
fn replicate_by_data_center(session: &mut Session) -> Result<(), CqlError> {
    let replication = session.run(&Statement::replication())?;
    let class = replication.map(0).and_then(|mut map| map.remove("class"));
    let class = class.ok_or(CqlError::Malformed("system_auth has no replication"))?;
    if !class.ends_with(SIMPLE) {
        return Ok(());
    }
    let dc = session.run(&Statement::data_center())?.text(0);
    let dc = dc.ok_or(CqlError::Malformed("the node has no data center"))?;
    session.run(&Statement::replicate([(&dc, &1)])).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{node_api::cql::server::Server, probe::tests::ready};

    fn login(username: &str, password: &str) -> Login {
        Login {
            username: username.into(),
            password: password.into(),
        }
    }

    fn admin() -> Login {
        login("admin", "it's secret")
    }

    fn assert_set_up(server: &Server) {
        assert!(server.lets_in(&admin()));
        assert!(!server.lets_in(&login("cassandra", "cassandra")));
        server.with(|state| {
            let default = &state.roles["cassandra"];
            assert!(!default.may_log_in && !default.is_superuser);
            assert_ne!(default.password, "cassandra");
            assert!(state.replication.ends_with("NetworkTopologyStrategy"));
        });
    }

    #[test]
    fn the_superuser_takes_the_place_of_the_default_role() {
        let server = Server::new();
        at(server.socket, &admin()).expect("set up");
        assert_set_up(&server);
        let done = server.with(|state| std::mem::take(&mut state.carried_out));
        insta::assert_snapshot!(done.join("\n"), @r#"
        CREATE "admin"
        ALTER "cassandra"
        ALTER KEYSPACE system_auth WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1}
        "#);
        // Each further probe only looks.
        at(server.socket, &admin()).expect("set up");
        assert_set_up(&server);
        assert_eq!(server.with(|state| state.carried_out.len()), 0);
    }

    /// After so many answers, each of the others is lost, and the process ends.
    #[test]
    fn it_goes_on_where_it_ended() {
        for answers in 0..6 {
            let server = Server::new();
            server.with(|state| state.answers = Some(answers));
            at(server.socket, &admin()).expect_err("the answer is lost");
            server.with(|state| state.answers = None);
            at(server.socket, &admin()).expect("set up");
            assert_set_up(&server);
        }
    }

    #[test]
    fn it_waits_until_cassandra_has_created_its_role() {
        let server = Server::new();
        let default = server
            .with(|state| state.roles.remove("cassandra"))
            .unwrap();
        let error = at(server.socket, &admin()).expect_err("there is no role");
        assert_eq!(error, CqlError::Refused("cassandra".into()));
        server.with(|state| state.roles.insert("cassandra".into(), default));
        at(server.socket, &admin()).expect("set up");
        assert_set_up(&server);
    }

    #[test]
    fn a_ring_without_the_default_role_is_set_up_already() {
        let server = Server::new();
        at(server.socket, &admin()).expect("set up");
        server.with(|state| state.roles.remove("cassandra"));
        at(server.socket, &admin()).expect("set up");
    }

    #[test]
    fn a_superuser_with_another_password_is_not_taken_over() {
        let server = Server::new();
        at(server.socket, &admin()).expect("set up");
        let error = at(server.socket, &login("admin", "another")).expect_err("not known");
        assert!(matches!(error, CqlError::Refused(_)), "{error}");
        assert_set_up(&server);
    }

    #[test]
    fn only_a_pod_with_the_superuser_sets_it_up_and_only_where_nobody_else_connects() {
        let folder = std::env::temp_dir().join(format!("casskop-set-up-{}", std::process::id()));
        let args = ready(&folder);
        let mark = folder.join(".casskop-logins");
        std::fs::create_dir_all(&folder).unwrap();
        set_up(&args).expect("nothing to do");
        std::fs::create_dir_all(&args.superuser).unwrap();
        let told = set_up(&args).unwrap_err();
        assert!(told.contains("has no username"), "{told}");
        std::fs::write(args.superuser.join("username"), "admin\n").unwrap();
        std::fs::write(args.superuser.join("password"), "it's secret\n").unwrap();
        let server = Server::new();
        let port = server.socket.port();
        let yaml = |address: &str| {
            let yaml = format!("rpc_address: {address}\nnative_transport_port: {port}\n");
            std::fs::write(folder.join("cassandra.yaml"), yaml).unwrap();
        };
        yaml("192.0.2.1");
        let told = set_up(&args).unwrap_err();
        assert!(told.contains("others can connect"), "{told}");
        yaml("127.0.0.1");
        server.with(|state| state.answers = Some(2));
        set_up(&args).unwrap_err();
        // Without a proof there is no mark.
        assert!(!mark.exists());
        server.with(|state| state.answers = None);
        set_up(&args).expect("set up");
        assert_set_up(&server);
        assert!(mark.exists());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
