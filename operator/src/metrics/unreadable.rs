//! Resources that the operator cannot read, as the last list and the watch after it have them.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use casskop_common::readable::Readable;
use kube::{Resource, ResourceExt, runtime::watcher::Event};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

/// The resources that cannot be read.
#[derive(Clone, Debug, Default)]
pub(super) struct Unreadable(Arc<Mutex<BTreeSet<Labels>>>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct Labels {
    kind: String,
    namespace: String,
    name: String,
}

impl Unreadable {
    /// Records the event of a watch.
    pub(super) fn watched<K: Resource<DynamicType = ()>>(&self, event: &Event<Readable<K>>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = K::kind(&()).into_owned();
        let labels = |object: &Readable<K>| Labels {
            kind: kind.clone(),
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
        };
        match event {
            Event::Init => known.retain(|known| known.kind != kind),
            Event::InitDone => {}
            Event::Apply(object) | Event::InitApply(object) if object.0.is_err() => {
                known.insert(labels(object));
            }
            Event::Apply(object) | Event::InitApply(object) | Event::Delete(object) => {
                known.remove(&labels(object));
            }
        }
    }
}

impl Collector for Unreadable {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut family = encoder.encode_descriptor(
            "unreadable",
            "Resources that the operator cannot read and does not reconcile",
            None,
            MetricType::Gauge,
        )?;
        for labels in &*known {
            ConstGauge::new(1_i64).encode(family.encode_family(labels)?)?;
        }
        Ok(())
    }
}
