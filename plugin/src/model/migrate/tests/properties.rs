//! Manifests of any shape.

use super::*;

/// Names of fields, known and odd ones.
fn key() -> impl Strategy<Value = String> {
    let known = [
        "spec",
        "metadata",
        "name",
        "config",
        "cassandra-yaml",
        "jvm-options",
        "racks",
        "size",
        "topology",
        "dc",
        "rack",
        "cassandra",
        "datacenters",
        "podTemplateSpec",
        "containers",
        "resources",
        "limits",
        "annotations",
        "labels",
        "config",
        "jvmOptions",
        "heapSize",
        "clusterName",
        "additionalSeeds",
        "tolerations",
        "storageConfig",
        "additionalVolumes",
        "networking",
        "numTokens",
        "nodesPerRacks",
        "dataCapacity",
        "status",
        "zone",
        "k8sContext",
        "users",
        "additional-jvm-opts",
        "additionalOptions",
        "nodeSelector",
        "nodeAffinityLabels",
        "items",
    ];
    prop_oneof![
        8 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => "[a-z.\\[\\]\"/ ]{0,4}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
        proptest::sample::select(vec!["cassandra", "dc1", "4.1.5", "-Xmx1G", "1Gi"])
            .prop_map(Value::from),
    ];
    scalar.prop_recursive(6, 64, 4, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            collection::btree_map(key(), inner, 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    /// No manifest ends the program, and every value of it has one verdict.
    #[test]
    fn no_value_is_lost_silently(
        which in 0..KINDS.len(),
        version in 0..2_usize,
        spec in value(),
        metadata in value(),
        further in collection::btree_map(key(), value(), 0..3),
    ) {
        let (group, versions, kind, _) = KINDS[which];
        let version = versions[version % versions.len()];
        let mut object = json!({ "spec": spec, "metadata": metadata });
        for (key, value) in further {
            object[key.as_str()] = value;
        }
        object["apiVersion"] = json!(format!("{group}/{version}"));
        object["kind"] = json!(kind);
        let checked = of(&object);
        is_complete(&object, &checked.documents[0]);
        for cluster in clusters(&checked) {
            let cluster = serde_json::to_value(cluster).unwrap();
            prop_assert_eq!(Schema::cluster().faults(&cluster), []);
        }
    }

    /// A manifest that is taken over, with one value changed to any other.
    #[test]
    fn a_value_of_any_shape_is_judged(which in 0..4_usize, at in any::<proptest::sample::Index>(), other in value()) {
        let text = [GO_V2, GO_V1, DATACENTER, K8SSANDRA][which];
        let objects = documents::objects(text).unwrap();
        let mut object = objects.last().unwrap().clone();
        let paths: Vec<Path> = leaves(&object).into_iter().map(|leaf| leaf.path).collect();
        *place(&mut object, at.get(&paths)) = other;
        let Ok(checked) = check(&object.to_string(), &Options::default()) else {
            return Ok(());
        };
        if checked.documents.len() == 1 && !checked.documents[0].passed_over {
            is_complete(&object, &checked.documents[0]);
        }
    }

    #[test]
    fn no_text_ends_the_program(text in "(\\PC|[\\n{}\\[\\]:-]){0,60}") {
        let _ = check(&text, &Options::default());
    }
}

fn place<'a>(object: &'a mut Value, path: &Path) -> &'a mut Value {
    path.0.iter().fold(object, |at, part| match part {
        path::Part::Key(key) => &mut at[key.as_str()],
        path::Part::Item(index, _) => &mut at[*index],
    })
}
