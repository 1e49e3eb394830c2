//! Replicas of the roles, and roles of applications, which the operator keeps.

use casskop_e2e::{
    Cluster,
    cassandra::{Login, put_login, try_login},
    wait::until,
};
use serde_json::{Value, json};

use super::{FIRST, WHO, is_refusal};

/// The role of an application, which the operator makes.
pub(super) const SHOP: Login = Login {
    user: "shop",
    password: "shop-1c9e7a40d3b25f86",
};
pub(super) const SHOP_NEXT: Login = Login {
    user: "shop",
    password: "next-8f2b60c4e7d91a53",
};
/// The operator gives each node a replica of the roles, one after the other, and each of them has the roles.
pub(super) fn replicas(ring: &Cluster, pod: &str) {
    let record = ring.shows("three repaired replicas of the roles", |cluster| {
        let record = &cluster["status"]["roleReplicas"];
        let is_done = record["repaired"] == true && record["replicas"]["dc1"] == 3;
        is_done.then(|| record.clone())
    });
    assert_eq!(record["next"], Value::Null);
    let schema =
        "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = 'system_auth'";
    let told = try_login(&ring.kubectl, pod, FIRST, &[schema]).ok();
    assert!(
        told.contains("NetworkTopologyStrategy") && told.contains("dc1:3"),
        "{told}"
    );
    let status = ring.get()["status"].clone();
    let of = |list: &str| status[list].as_array().cloned().unwrap_or_default();
    let all = [of("operations"), of("operationHistory")].concat();
    let repairs = all.iter().filter(|operation| {
        let id = operation["id"].as_str().unwrap_or_default();
        operation["kind"] == "repair" && id.starts_with("roles-")
    });
    let repairs: Vec<&Value> = repairs.collect();
    assert_eq!(repairs.len(), 2, "{all:#?}");
    for repair in repairs {
        assert_eq!(repair["phase"], "Succeeded", "{repair:#}");
    }
}

/// Roles that no node remembers.
pub(super) const OTHERS: [Login; 4] = [other("one"), other("two"), other("three"), other("four")];

const fn other(user: &'static str) -> Login {
    Login {
        user,
        password: "other-5d0c7e92b1f84a36",
    }
}

/// Each role is on three nodes, and logs in while one of them is down.
pub(super) fn survive_a_node(ring: &Cluster, pods: &[String]) {
    let kubectl = &ring.kubectl;
    let create = OTHERS.map(|login| {
        format!(
            "CREATE ROLE {} WITH PASSWORD = '{}' AND LOGIN = true",
            login.user, login.password
        )
    });
    let statements: Vec<&str> = create.iter().map(String::as_str).collect();
    try_login(kubectl, &pods[0], FIRST, &statements).ok();
    kubectl.ok(&["delete", "pod", &pods[2], "--wait=false"]);
    until("a node to be down", || {
        let pod = kubectl.get("pod", &pods[2]);
        let conditions = pod.map(|pod| pod["status"]["conditions"].clone());
        let conditions = conditions.unwrap_or_default();
        let mut conditions = conditions.as_array().into_iter().flatten();
        if conditions.any(|one| one["type"] == "Ready" && one["status"] == "True") {
            Err("it is Ready".to_owned())
        } else {
            Ok(())
        }
    });
    for login in OTHERS {
        try_login(kubectl, &pods[0], login, &[WHO]).ok();
    }
    ring.settles();
}

/// The operator makes the role of an application, changes its password, and shuts it out; no pod restarts.
pub(super) fn users(ring: &Cluster, pod: &str) {
    let kubectl = &ring.kubectl;
    let uids = || {
        let pods = ring.pods().into_iter();
        pods.map(|pod| pod["metadata"]["uid"].clone())
            .collect::<Vec<Value>>()
    };
    let before = uids();
    let as_user = |login: Login, statement: &str| try_login(kubectl, pod, login, &[statement]);
    let soon = |what: &str, holds: &dyn Fn() -> Result<(), String>| until(what, holds);
    put_login(kubectl, "shop-login", SHOP);
    ring.change(
        &json!({ "authentication": { "superuserSecret": "admins", "users": [{
        "secret": "shop-login",
        "grants": [{ "permissions": ["SELECT", "MODIFY"], "keyspace": "shop" }],
    }] } }),
    );
    // The keyspace comes later than the role.
    soon("the role to log in and to wait for its keyspace", &|| {
        let output = as_user(SHOP, WHO);
        let user = ring.get()["status"]["users"][0].clone();
        let message = user["message"].as_str().unwrap_or_default();
        if output.code == 0 && message.contains("keyspace shop") {
            Ok(())
        } else {
            Err(format!("{output} {user:#}"))
        }
    });
    let keyspace = [
        "CREATE KEYSPACE shop WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1}",
        "CREATE TABLE shop.t (id int PRIMARY KEY)",
    ];
    try_login(kubectl, pod, FIRST, &keyspace).ok();
    let works = |login: Login| {
        let output = as_user(login, "INSERT INTO shop.t (id) VALUES (1)");
        if output.code == 0 {
            Ok(())
        } else {
            Err(output.to_string())
        }
    };
    soon("the permissions of the role", &|| works(SHOP));
    let told = as_user(SHOP, "SELECT * FROM orders.t").fails();
    assert!(told.contains("no SELECT permission"), "{told}");
    as_user(SHOP, "DROP TABLE shop.t").fails();
    put_login(kubectl, "shop-login", SHOP_NEXT);
    let is_refused = || {
        let output = as_user(SHOP, WHO);
        if is_refusal(&output) {
            Ok(())
        } else {
            Err(output.to_string())
        }
    };
    soon("the new password", &|| works(SHOP_NEXT));
    soon("the old password to be refused", &is_refused);
    ring.change(&json!({ "authentication": { "superuserSecret": "admins", "users": null } }));
    soon("the role to be shut out", &|| {
        let output = as_user(SHOP_NEXT, WHO);
        if is_refusal(&output) {
            Ok(())
        } else {
            Err(output.to_string())
        }
    });
    ring.settles();
    assert_eq!(uids(), before);
}
