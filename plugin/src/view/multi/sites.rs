//! The tree of sites and their data centers. Pure.

use casskop_common::api::{
    ChildStatus, MultiCasskop, MultiCasskopStatus, Reachability, SiteStatus,
};

use crate::{
    terminal::{colors::Tone, columns},
    text::{count, plain},
    time::between,
    view::options::View,
};

/// A line for each site, below it its message and its data centers.
pub fn tree(ring: &MultiCasskop, status: &MultiCasskopStatus, view: View) -> Vec<String> {
    let mut rows = Vec::new();
    let mut below = Vec::new();
    for site in &status.sites {
        let first = status.first_site.as_ref() == Some(&site.name);
        rows.push(vec![
            (plain(&site.name).into_owned(), Tone::Strong),
            reachability(site, view),
            nodes(site),
            (
                if first { "formed the ring" } else { "" }.to_owned(),
                Tone::Dim,
            ),
        ]);
        below.push(details(site));
    }
    let reported = |name: &String| status.sites.iter().any(|site| &site.name == name);
    for name in ring.spec.override_.keys().filter(|name| !reported(name)) {
        rows.push(vec![
            (plain(name).into_owned(), Tone::Strong),
            ("not reported yet".to_owned(), Tone::Dim),
        ]);
        below.push(Vec::new());
    }
    let laid = columns::lay(&rows, 2, view.style);
    laid.lines()
        .zip(below)
        .flat_map(|(line, below)| std::iter::once(line.to_owned()).chain(below))
        .collect()
}

/// `reachable for 2d`.
fn reachability(site: &SiteStatus, view: View) -> columns::Cell {
    let (words, tone) = match site.reachability {
        Reachability::Reachable => ("reachable", Tone::Good),
        Reachability::Unknown => ("not reachable", Tone::Bad),
    };
    let since = site.since.as_ref();
    let since = since.map(|since| format!(" for {}", between(since.0, view.now)));
    (words.to_owned() + &since.unwrap_or_default(), tone)
}

/// `Running, 3 of 3 nodes ready`, and whether that may be old.
fn nodes(site: &SiteStatus) -> columns::Cell {
    let Some(cluster) = &site.cluster else {
        let words = if site.created {
            "no cluster any more"
        } else {
            "no cluster yet"
        };
        return (words.to_owned(), Tone::Dim);
    };
    let ChildStatus {
        nodes,
        ready_nodes,
        available,
        ..
    } = cluster;
    let phase = cluster
        .phase
        .map_or("state unknown", |phase| phase.as_str());
    let all = count(usize::try_from(*nodes).unwrap_or_default(), "node");
    let words = format!("{phase}, {ready_nodes} of {all} ready");
    match (site.reachability, available) {
        (Reachability::Unknown, _) => (words + " when last observed", Tone::Dim),
        (Reachability::Reachable, true) => (words, Tone::Good),
        (Reachability::Reachable, false) => (words, Tone::Bad),
    }
}

/// Why it is so, and the data centers.
fn details(site: &SiteStatus) -> Vec<String> {
    let nothing = ChildStatus::default();
    let cluster = site.cluster.as_ref().unwrap_or(&nothing);
    let stem = if cluster.dcs.is_empty() {
        "   "
    } else {
        "│  "
    };
    let mut messages = vec![plain(&site.message), plain(&cluster.message)];
    messages.dedup();
    let messages = messages.into_iter().filter(|text| !text.is_empty());
    let mut lines: Vec<String> = messages.map(|text| format!("{stem}{text}")).collect();
    for (number, dc) in cluster.dcs.iter().enumerate() {
        let last = number + 1 == cluster.dcs.len();
        let fork = if last { "└─ " } else { "├─ " };
        lines.push(format!("{fork}{}", plain(dc)));
    }
    lines
}
