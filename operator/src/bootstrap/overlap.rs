//! The way of a node to the certificates of a Secret that another authority has issued. Each node takes a renewal over by
//! itself, some minutes earlier or later than the others: with the authorities and the certificate at once, the first nodes
//! and the last ones would not trust each other meanwhile.

use std::time::Duration;

use crate::node_api::Certificates;

/// Time until all nodes have taken a step: the kubelet brings a changed Secret within two minutes, a probe takes it over,
/// and Cassandra looks for changed files every ten minutes.
pub(super) const OVERLAP: Duration = Duration::from_secs(3600);

const END: &str = "-----END CERTIFICATE-----";

/// The certificates of a node, in the form of Cassandra.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// The authorities that it trusts (PEM).
    pub authorities: String,
    /// Its private key and its certificate (PEM).
    pub keystore: String,
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
    let authorities = if has_own && ages.keystore >= OVERLAP {
        wanted.authorities.clone()
    } else {
        both(&wanted.authorities, &present.authorities)
    };
    let trusts_all = missing(&wanted.authorities, &present.authorities).is_empty();
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
fn is_trusted(name: &str, authorities: &str, keystore: &str) -> bool {
    let [authorities, keystore] = [authorities, keystore].map(str::as_bytes);
    let certificates = Certificates::new(authorities, keystore, keystore, name.to_owned());
    certificates.is_ok_and(|certificates| certificates.verify().is_ok())
}

/// The first authorities, followed by those that only the second ones have.
fn both(first: &str, second: &str) -> String {
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
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;
    use crate::node_api::management_api::node::{Authority, RING};

    const LONG: Ages = Ages {
        authorities: OVERLAP,
        keystore: OVERLAP,
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

    fn trust(one: &Held, other: &Held) -> bool {
        is_trusted(RING, &one.authorities, &other.keystore)
            && is_trusted(RING, &other.authorities, &one.keystore)
    }

    #[test]
    fn a_certificate_of_the_same_authority_is_taken_at_once() {
        let authority = Authority::new();
        let present = held(&authority.pem, &authority);
        let wanted = held(&authority.pem, &authority);
        assert_eq!(next(RING, &present, &wanted, NEW), wanted);
        assert_eq!(next(RING, &wanted, &wanted, NEW), wanted);
    }

    /// Every node takes each of the steps earlier or later than the others, and Cassandra reads the files later still.
    #[test]
    fn nodes_on_the_way_to_another_authority_trust_each_other() {
        let (old, new) = (Authority::new(), Authority::new());
        let ways = [
            // At once, as an issuer writes it whose authority was replaced.
            vec![held(&new.pem, &new)],
            vec![held(&(old.pem.clone() + &new.pem), &new)],
            // Step by step, as the documentation says, and in haste.
            vec![
                held(&(old.pem.clone() + &new.pem), &old),
                held(&(new.pem.clone() + &old.pem), &new),
                held(&new.pem, &new),
            ],
        ];
        for way in ways {
            let mut steps = vec![held(&old.pem, &old)];
            for wanted in &way {
                for ages in [NEW, NEW, LONG, NEW, LONG, LONG] {
                    let present = steps.last().unwrap().clone();
                    let next = next(RING, &present, wanted, ages);
                    if next != present {
                        steps.push(next);
                    }
                }
                assert_eq!(steps.last(), Some(wanted));
            }
            for pair in steps.windows(2) {
                assert!(trust(&pair[0], &pair[1]));
            }
        }
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
        assert_eq!(back.keystore, present.keystore);
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
        assert!(missing(&noted, &(two.pem.clone() + &one.pem)).is_empty());
        assert_eq!(both(&one.pem, &noted).matches(END).count(), 2);
        assert_eq!(both(&noted, &one.pem), noted);
        assert!(blocks("no certificate").is_empty());
    }
}
