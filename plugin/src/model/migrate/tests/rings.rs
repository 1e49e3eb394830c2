//! Rings that would be formed twice, overwrite each other, or lose a part.

use super::*;

/// The fields that are in the way of an object.
fn told(object: &Value, options: &Options) -> String {
    let checked = check(&object.to_string(), options).unwrap();
    assert_eq!(
        checked.manifests.is_empty(),
        checked.in_the_way().next().is_some()
    );
    let all = in_the_way(&checked);
    all.join("\n")
}

#[test]
fn no_second_ring_is_formed_beside_one_that_runs() {
    let mut alone = datacenter();
    alone["spec"]["additionalSeeds"] = json!([]);
    let none = Options::default();
    let checked = check(&alone.to_string(), &none).unwrap();
    let notes = &checked.documents[0].notes;
    assert!(
        notes.iter().any(|note| note.contains("a new, empty ring")),
        "{notes:?}"
    );
    for (path, value) in [("metadata", json!("0-1-2")), ("status", json!({ "a": 1 }))] {
        let mut live = alone.clone();
        match path {
            "metadata" => live["metadata"]["uid"] = value,
            path => live[path] = value,
        }
        let told = told(&live, &none);
        assert!(
            told.contains("form another, empty ring of its name"),
            "{told}"
        );
    }
    let seeds = vec!["seeds".to_owned()];
    let same = Options {
        seeds: seeds.clone(),
        ..Options::default()
    };
    let two = told(&alone, &same);
    assert!(two.contains("which two operators would run"), "{two}");
    let other = Options {
        seeds,
        renamed: [("dc1".to_owned(), "dc2".to_owned())].into(),
    };
    let mut live = alone.clone();
    live["metadata"]["uid"] = json!("0-1-2");
    assert_eq!(told(&live, &other), "");
}

#[test]
fn two_rings_do_not_get_one_name() {
    let mut spaced = datacenter();
    spaced["spec"]["clusterName"] = json!("Orders A");
    let mut dashed = datacenter();
    dashed["spec"]["clusterName"] = json!("orders-a");
    let both = json!({ "apiVersion": "v1", "kind": "List", "items": [spaced, dashed] });
    let told = told(&both, &Options::default());
    assert!(told.contains("one would overwrite the other"), "{told}");
}

#[test]
fn a_multi_casskop_is_not_passed_over() {
    let multi = json!({ "apiVersion": "db.orange.com/v2", "kind": "MultiCasskop", "metadata": { "name": "m" } });
    let told = told(&multi, &Options::default());
    assert!(
        told.contains("the fields of a MultiCasskop are not judged"),
        "{told}"
    );
}

#[test]
fn data_centers_of_two_kubernetes_clusters_are_not_put_into_one() {
    let dc = |name: &str| json!({ "metadata": { "name": name }, "size": 2 });
    let (mut one, mut two) = (dc("dc1"), dc("dc2"));
    two["k8sContext"] = json!("east");
    let local = told(&k8ssandra(json!([one, two])), &Options::default());
    assert!(local.contains("with and without k8sContext"), "{local}");
    one["k8sContext"] = json!("a/b");
    two["k8sContext"] = json!("a-b");
    let alike = told(&k8ssandra(json!([one, two])), &Options::default());
    assert!(alike.contains("that no name of a site has"), "{alike}");
}

#[test]
fn what_a_ring_and_its_data_center_have_together_is_not_lost() {
    let own = json!([{ "name": "shipper", "image": "shipper:1" }]);
    let mut dc = json!({ "metadata": { "name": "dc1" }, "size": 2, "containers": own });
    let merged = told(&k8ssandra(json!([dc])), &Options::default());
    assert!(merged.contains("k8ssandra merges both"), "{merged}");
    // Nothing overrides nothing.
    dc["containers"] = json!(null);
    dc["serverVersion"] = json!("");
    let object = k8ssandra(json!([dc]));
    let checked = of(&object);
    is_complete(&object, &checked.documents[0]);
    let cluster = clusters(&checked).remove(0);
    assert!(!cluster.spec.env_vars.is_empty(), "{cluster:?}");
    let many = vec![json!({}); 101];
    let told = told(&k8ssandra(json!(many)), &Options::default());
    assert!(told.contains("more than the 100 that are judged"), "{told}");
}
