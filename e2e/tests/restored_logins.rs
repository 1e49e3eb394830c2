//! A ring that requires logins is restored with its roles, and never into one that lets in everybody.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "tests: what does not hold ends the test"
)]

use casskop_e2e::{
    Space,
    cassandra::{self, Login, put_login, try_login},
    cluster, fresh_id,
    s3::{S3, secret},
};
use serde_json::{Value, json};

const KEYS: &str = "s3-keys";
const DEFAULT: Login = Login {
    user: "cassandra",
    password: "cassandra",
};
const ADMIN: Login = Login {
    user: "admin",
    password: "admin-5d0c83b7e1f94a26",
};
const ORDERS: Login = Login {
    user: "orders",
    password: "orders-b47a90e2c6d3185f",
};
const ROWS: &str = "SELECT id, text FROM orders.t";

fn manifest(name: &str, store: &Value) -> Value {
    let mut manifest = cluster::ring(name, &[("dc1", &["rack1", "rack2"])]);
    manifest["spec"]["deletePVC"] = json!(true);
    manifest["spec"]["backup"] = json!({ "stores": [store] });
    manifest["spec"]["authentication"] = json!({ "superuserSecret": "admins" });
    manifest
}

#[test]
#[ignore = "needs the testbed: make test-e2e"]
fn roles_come_back_and_let_nobody_else_in() {
    let space = Space::open("e2e-restored-logins");
    let s3 = S3::start("restored-logins");
    let kubectl = &space.kubectl;
    kubectl.apply(&secret(KEYS, None));
    put_login(kubectl, "admins", ADMIN);
    let store = json!({ "name": "main", "s3": s3.store(), "secret": { "name": KEYS } });

    let old = space.cluster("old");
    old.apply(&manifest("old", &store));
    old.settles();
    let create = format!(
        "CREATE ROLE orders WITH PASSWORD = '{}' AND LOGIN = true",
        ORDERS.password
    );
    let statements = [
        "CREATE KEYSPACE orders WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 2}",
        "CREATE TABLE orders.t (id int PRIMARY KEY, text text)",
        "INSERT INTO orders.t (id, text) VALUES (1, 'kept')",
        &create,
        "GRANT SELECT ON KEYSPACE orders TO orders",
    ];
    try_login(kubectl, "old-dc1-rack1-0", ADMIN, &statements).ok();
    old.shows("both replicas of the roles", |cluster| {
        let record = &cluster["status"]["roleReplicas"];
        (record["repaired"] == true && record["replicas"]["dc1"] == 2).then_some(())
    });
    let id = fresh_id("logins");
    old.request("backup", &format!("{id} --to main"));
    old.succeeds("backup", &id);
    let uid = old.get()["metadata"]["uid"].clone();
    old.delete();

    // Without the logins of the backup no file is written.
    let open = space.cluster("open");
    let mut restored = manifest("open", &store);
    restored["spec"]["restore"] =
        json!({ "store": "main", "cluster": { "name": "old", "uid": uid }, "backup": id });
    restored["spec"]["authentication"] = Value::Null;
    open.apply(&restored);
    open.tells(
        "Degraded",
        "True",
        &["required logins", "spec.authentication"],
    );
    open.delete();

    let new = space.cluster("new");
    restored["metadata"]["name"] = json!("new");
    restored["spec"]["authentication"] = json!({ "superuserSecret": "admins" });
    new.apply(&restored);
    new.settles();
    assert_eq!(new.get()["status"]["restore"]["phase"], "Restored");
    for pod in new.pods() {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        let step = &pod["metadata"]["annotations"]["db.orange.com/logins"];
        assert_eq!(step, "Required");
        let rows = try_login(kubectl, name, ORDERS, &[ROWS]).ok();
        assert!(rows.contains("kept"), "{rows}");
        try_login(kubectl, name, ORDERS, &["SELECT * FROM system_auth.roles"]).fails();
        try_login(kubectl, name, ADMIN, &[ROWS]).ok();
        try_login(kubectl, name, DEFAULT, &[ROWS]).fails();
        cassandra::cql(kubectl, name, "ONE", &[ROWS]).fails();
    }

    // The operator has the superuser, and keeps the roles as in any ring.
    new.change(&json!({ "restore": null }));
    new.settles();
    let degraded = new.get()["status"]["conditions"].to_string();
    assert!(!degraded.contains("log in as the superuser"), "{degraded}");
    kubectl.ok(&["delete", "pod", "new-dc1-rack1-0"]);
    new.becomes("Available", "False");
    new.settles();
    try_login(kubectl, "new-dc1-rack1-0", ORDERS, &[ROWS]).ok();
    try_login(kubectl, "new-dc1-rack1-0", DEFAULT, &[ROWS]).fails();
    new.delete();
}
