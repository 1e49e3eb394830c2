//! The way of a node to the certificates of a Secret that another authority has issued. Each node takes a renewal over by
//! itself, some minutes earlier or later than the others: with the authorities and the certificate at once, the first nodes
//! and the last ones would not trust each other meanwhile.

use std::{fmt, time::Duration};

use crate::node_api::Certificates;

/// Time until all nodes have taken a step: the kubelet brings a changed Secret within two minutes, a probe takes it over,
/// and Cassandra looks for changed files every ten minutes.
pub(super) const OVERLAP: Duration = Duration::from_secs(30 * 60);
/// Time from the new certificate of a node until every node shows its own: a node that was started in between waits anew.
pub(super) const FAREWELL: Duration = Duration::from_secs(60 * 60);

const END: &str = "-----END CERTIFICATE-----";

/// The certificates of a node, in the form of Cassandra. The private key is never printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// The authorities that it trusts (PEM).
    pub authorities: String,
    /// Its private key and its certificate (PEM).
    pub keystore: String,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = blocks(&self.authorities).len();
        write!(f, "Held({count} authorities)")
    }
}

/// The time since the files of a node have their content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ages {
    pub authorities: Duration,
    pub keystore: Duration,
}

/// The certificates that a node of the ring of this name holds next, on the way to those that it shall hold. It trusts the
/// authorities of both, before it shows the new certificate and after.
pub(super) fn next(name: &str, present: &Held, wanted: &Held, ages: Ages) -> Held {
    if !is_trusted(name, &present.authorities, &present.keystore) {
        // No node trusts it as it is.
        return wanted.clone();
    }
    let has_own = present.keystore == wanted.keystore;
    let trusts_all = missing(&wanted.authorities, &present.authorities).is_empty();
    let authorities = if has_own && ages.keystore >= FAREWELL {
        wanted.authorities.clone()
    } else if trusts_all {
        // Another order is no change: the time of the file tells since when the node trusts them.
        present.authorities.clone()
    } else {
        both(&wanted.authorities, &present.authorities)
    };
    let takes_own =
        has_issuer_of_present(name, present, wanted) || (trusts_all && ages.authorities >= OVERLAP);
    let keystore = if takes_own { wanted } else { present }.keystore.clone();
    Held {
        authorities,
        keystore,
    }
}

/// Whether the nodes that trust the present certificate trust the wanted one, too.
fn has_issuer_of_present(name: &str, present: &Held, wanted: &Held) -> bool {
    let all = blocks(&present.authorities).into_iter();
    let issuers: String = all
        .filter(|authority| is_trusted(name, authority, &present.keystore))
        .collect();
    is_trusted(name, &issuers, &wanted.keystore)
}

/// Whether nodes with these authorities trust the certificate of a node.
pub(super) fn is_trusted(name: &str, authorities: &str, keystore: &str) -> bool {
    let [authorities, keystore] = [authorities, keystore].map(str::as_bytes);
    let certificates = Certificates::new(authorities, keystore, keystore, name.to_owned());
    certificates.is_ok_and(|certificates| certificates.verify().is_ok())
}

/// The first authorities, followed by those that only the second ones have.
pub(super) fn both(first: &str, second: &str) -> String {
    let more = missing(second, first);
    if more.is_empty() {
        return first.to_owned();
    }
    format!("{}\n{}", first.trim_end(), more.concat())
}

/// The authorities in `of` that are not in `than`.
fn missing(of: &str, than: &str) -> Vec<String> {
    let known = blocks(than);
    let all = blocks(of).into_iter();
    all.filter(|block| !known.contains(block)).collect()
}

/// Each certificate of a text, ended by a line break, without the text around it.
fn blocks(text: &str) -> Vec<String> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    let parts = text.split(END);
    let blocks = parts.filter_map(|part| Some(part.split_once(BEGIN)?.1.trim()));
    blocks
        .map(|content| format!("{BEGIN}\n{content}\n{END}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::BTreeMap, ops::RangeInclusive};

    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;
    use crate::node_api::management_api::node::{Authority, RING};

    const LONG: Ages = Ages {
        authorities: FAREWELL,
        keystore: FAREWELL,
    };
    const NEW: Ages = Ages {
        authorities: Duration::ZERO,
        keystore: Duration::ZERO,
    };

    fn held(authorities: &str, authority: &Authority) -> Held {
        let (certificate, key) = authority.issue(RING);
        Held {
            authorities: authorities.to_owned(),
            keystore: format!("{key}\n{certificate}"),
        }
    }

    #[test]
    fn a_certificate_of_the_same_authority_is_taken_at_once() {
        let authority = Authority::new();
        let present = held(&authority.pem, &authority);
        let wanted = held(&authority.pem, &authority);
        assert_eq!(next(RING, &present, &wanted, NEW), wanted);
        assert_eq!(next(RING, &wanted, &wanted, NEW), wanted);
    }

    #[test]
    fn each_step_waits_for_the_nodes_that_are_later() {
        let (old, new) = (Authority::new(), Authority::new());
        let present = held(&old.pem, &old);
        let wanted = held(&new.pem, &new);
        let trusting = next(RING, &present, &wanted, LONG);
        assert_eq!(trusting.keystore, present.keystore);
        assert_eq!(next(RING, &trusting, &wanted, NEW), trusting);
        let showing = next(RING, &trusting, &wanted, LONG);
        assert_eq!(
            (&showing.keystore, &showing.authorities),
            (&wanted.keystore, &trusting.authorities)
        );
        assert_eq!(next(RING, &showing, &wanted, NEW), showing);
        assert_eq!(next(RING, &showing, &wanted, LONG), wanted);
        // The Secret goes back on the way.
        let back = next(RING, &trusting, &present, NEW);
        assert_eq!(back, trusting);
        assert_eq!(next(RING, &back, &present, LONG), present);
    }

    #[test]
    fn a_node_that_no_other_trusts_takes_the_secret_over_at_once() {
        let (old, new) = (Authority::new(), Authority::new());
        let mut params = CertificateParams::new(vec![RING.to_owned()]).unwrap();
        params.not_after = date_time_ymd(2020, 1, 1);
        let (certificate, key) = old.sign(&params, &KeyPair::generate().unwrap());
        let expired = Held {
            authorities: old.pem.clone(),
            keystore: format!("{key}\n{certificate}"),
        };
        let wanted = held(&new.pem, &new);
        assert_eq!(next(RING, &expired, &wanted, NEW), wanted);
    }

    #[test]
    fn authorities_are_told_apart_whatever_is_written_around_them() {
        let (one, two) = (Authority::new(), Authority::new());
        let noted = format!(
            "# the first\r\n{}\r\n\r\n# the second\n{}",
            one.pem, two.pem
        );
        assert_eq!(blocks(&noted).len(), 2);
        let turned = two.pem.clone() + &one.pem;
        assert!(missing(&noted, &turned).is_empty() && missing(&turned, &noted).is_empty());
        assert_eq!(both(&one.pem, &noted).matches(END).count(), 2);
        assert_eq!(both(&noted, &one.pem), noted);
        assert!(blocks("no certificate").is_empty());
    }

    /// Decisions by the files, the time of the Secret and whether the ages are long enough: signatures take their time.
    type Known = BTreeMap<((String, String), u64, (bool, bool)), Held>;

    /// A node in minutes: its files with the times of their changes, and the files that Cassandra has read.
    struct Sample {
        files: Held,
        changed: [u64; 2],
        read: Held,
        /// Minutes until the node has a Secret that has changed.
        delay: u64,
        /// Minute of every ten in which Cassandra looks for changes.
        looks: u64,
    }

    impl Sample {
        fn new(files: &Held, now: u64, (delay, looks): (u64, u64)) -> Self {
            Self {
                files: files.clone(),
                changed: [now; 2],
                read: files.clone(),
                delay,
                looks,
            }
        }

        fn pass(&mut self, now: u64, secrets: &[(u64, Held)], known: &mut Known) {
            let (since, wanted) = secret_at(secrets, now.saturating_sub(self.delay));
            let [authorities, keystore] = self
                .changed
                .map(|changed| Duration::from_secs(60 * (now - changed)));
            let ages = Ages {
                authorities,
                keystore,
            };
            let is_long = (authorities >= OVERLAP, keystore >= FAREWELL);
            let of = (self.files.authorities.clone(), self.files.keystore.clone());
            let next = known
                .entry((of, *since, is_long))
                .or_insert_with(|| next(RING, &self.files, wanted, ages))
                .clone();
            if next.authorities != self.files.authorities {
                self.changed[0] = now;
            }
            if next.keystore != self.files.keystore {
                self.changed[1] = now;
            }
            self.files = next;
            if now % 10 == self.looks {
                self.read = self.files.clone();
            }
        }
    }

    fn secret_at(secrets: &[(u64, Held)], now: u64) -> &(u64, Held) {
        let mut past = secrets.iter().rev();
        past.find(|(at, _)| *at <= now).expect("the first one")
    }

    const START: u64 = 100;
    const DELAYS: RangeInclusive<u64> = 0..=3;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        /// The Secret gets another authority at once, or step by step with an hour between; nodes take it over, are
        /// started anew, and read their files at different times.
        #[test]
        fn nodes_on_the_way_to_another_authority_trust_each_other(
            way in 0_usize..3,
            delays in prop::collection::vec((DELAYS, 0_u64..10), 3),
            started in prop::option::of((0_usize..3, 0_u64..300)),
        ) {
            let (old, new) = (Authority::new(), Authority::new());
            let [both, htob] = [[&old, &new], [&new, &old]]
                .map(|pair| pair.map(|authority| authority.pem.clone()).concat());
            let first = (0, held(&old.pem, &old));
            let secrets = match way {
                0 => vec![first, (START, held(&new.pem, &new))],
                1 => vec![first, (START, held(&both, &new)), (START + 60, held(&new.pem, &new))],
                _ => vec![
                    first,
                    (START, held(&both, &old)),
                    (START + 60, held(&htob, &new)),
                    (START + 120, held(&new.pem, &new)),
                ],
            };
            let known = RefCell::new(BTreeMap::new());
            let trusts = |one: &Held, other: &Held| {
                let key = (one.authorities.clone(), other.keystore.clone());
                *known.borrow_mut().entry(key).or_insert_with_key(|(authorities, keystore)| {
                    is_trusted(RING, authorities, keystore)
                })
            };
            let mut nodes: Vec<Sample> = delays
                .iter()
                .map(|times| Sample::new(&secrets[0].1, 0, *times))
                .collect();
            let mut decided = Known::new();
            for now in 1..START + 400 {
                if let Some((index, at)) = started && now == START + at {
                    // A new pod has the Secret, and trusts what the node has trusted, too.
                    let (_, wanted) = secret_at(&secrets, now);
                    let files = Held {
                        authorities: super::both(&wanted.authorities, &nodes[index].files.authorities),
                        keystore: wanted.keystore.clone(),
                    };
                    nodes[index] = Sample::new(&files, now, delays[index]);
                }
                for node in &mut nodes {
                    node.pass(now, &secrets, &mut decided);
                }
                // The others have to have seen the authority of a new pod first.
                let waits = |index: usize| started.is_some_and(|(of, at)| {
                    of == index && (at..at + 15).contains(&(now.saturating_sub(START)))
                });
                for (index, node) in nodes.iter().enumerate().filter(|(index, _)| !waits(*index)) {
                    for (other_index, other) in nodes.iter().enumerate() {
                        prop_assert!(
                            waits(other_index) || trusts(&node.read, &other.read),
                            "{index} does not trust {other_index} at {now}"
                        );
                    }
                }
            }
            let (_, last) = secrets.last().expect("a Secret");
            for node in &nodes {
                prop_assert_eq!(&node.read, last);
            }
        }
    }
}
