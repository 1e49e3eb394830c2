//! Storage classes: a node of a cluster gets its volume from one, by `dataStorageClass` or by default.

use serde_json::Value;

use super::{Check, Finding, text};
use crate::text::list;

const DEFAULT: &str = "/metadata/annotations/storageclass.kubernetes.io~1is-default-class";

pub fn check(classes: Option<&[Value]>) -> Vec<Finding> {
    let check = Check::StorageClasses;
    let Some(classes) = classes else {
        let message = "the storage classes could not be read";
        return vec![Finding::unknown(check, message)];
    };
    let all: Vec<&str> = classes
        .iter()
        .map(|class| text(class, "/metadata/name"))
        .collect();
    if all.is_empty() {
        return vec![
            Finding::failed(
                check,
                "there is no storage class: no node of a cluster gets a volume",
            )
            .next("install a provisioner of volumes"),
        ];
    }
    let mut findings = Vec::new();
    let mut default = classes
        .iter()
        .filter(|class| text(class, DEFAULT) == "true");
    match default.next() {
        Some(class) => findings.push(Finding::passed(
            check,
            format!(
                "storage class {} is the default",
                text(class, "/metadata/name")
            ),
        )),
        None => findings.push(
            Finding::warning(
                check,
                format!("no storage class is the default; there are {}", list(&all)),
            )
            .next("name one in spec.dataStorageClass of each cluster"),
        ),
    }
    let named = |matches: &dyn Fn(&Value) -> bool| {
        let found = classes.iter().filter(|class| matches(class));
        found
            .map(|class| text(class, "/metadata/name"))
            .collect::<Vec<_>>()
    };
    let fixed = named(&|class| class.get("allowVolumeExpansion") != Some(&Value::Bool(true)));
    if !fixed.is_empty() {
        let message = format!(
            "volumes of {} cannot grow: dataCapacity stays as it is",
            list(fixed)
        );
        findings.push(
            Finding::warning(check, message)
                .next("set allowVolumeExpansion: true if the provisioner supports it"),
        );
    }
    let early = named(&|class| text(class, "/volumeBindingMode") != "WaitForFirstConsumer");
    if !early.is_empty() {
        let message = format!(
            "volumes of {} are placed before the pod: the zones of racks may be missed",
            list(early)
        );
        findings.push(
            Finding::warning(check, message)
                .next("use a class with volumeBindingMode: WaitForFirstConsumer"),
        );
    }
    findings
}
