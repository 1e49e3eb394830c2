//! The operator and the nodes trust each other, whatever happens to the two Secrets short of the loss of both.

use proptest::prelude::*;

use super::*;

/// The two Secrets, as the operator reads them.
#[derive(Clone)]
struct Secrets {
    authorities: Vec<Authority>,
    certificate: Option<Certificate>,
    /// Versions of the two.
    versions: [u32; 2],
}

/// A reader of the Secret of the nodes, and what it uses.
#[derive(Clone)]
struct Reader {
    uses: Option<Certificate>,
    read_at: Timestamp,
}

/// A ring, its operators, and the Secrets that they share.
struct World {
    now: Timestamp,
    secrets: Secrets,
    made: u32,
    nodes: [Reader; 3],
    operators: [Reader; 2],
    /// The state that each operator has read for its next write, and the time.
    read: [Option<(Secrets, Timestamp)>; 2],
    earlier: Vec<Authority>,
}

/// Time within which a node takes over what the Secret has, and an operator reads it.
const NODE_READS: SignedDuration = SignedDuration::from_mins(50);
const OPERATOR_READS: SignedDuration = SignedDuration::from_mins(5);
/// Longest time from a read to the write that it led to.
const IN_FLIGHT: SignedDuration = SignedDuration::from_mins(2);
/// The clocks of the operators.
const CLOCKS: [SignedDuration; 2] = [SignedDuration::from_mins(4), SignedDuration::from_mins(-4)];

#[derive(Clone, Debug)]
enum Event {
    Pass(SignedDuration),
    Read(usize),
    Write(usize),
    LoseWrite(usize),
    Take(usize),
    DeleteCertificate,
    DeleteAuthorities,
    RestoreAuthorities,
}

impl World {
    fn new() -> Self {
        let reader = Reader {
            uses: None,
            read_at: start(),
        };
        let mut world = Self {
            now: start(),
            secrets: Secrets {
                authorities: Vec::new(),
                certificate: None,
                versions: [0; 2],
            },
            made: 0,
            nodes: [reader.clone(), reader.clone(), reader.clone()],
            operators: [reader.clone(), reader],
            read: [None, None],
            earlier: Vec::new(),
        };
        world.settle();
        world.earlier = world.secrets.authorities.clone();
        world
            .nodes
            .iter_mut()
            .for_each(|node| node.uses.clone_from(&world.secrets.certificate));
        world
    }

    /// The steps of one operator until it rests.
    fn settle(&mut self) {
        for _ in 0..4 {
            self.happen(&Event::Read(0));
            self.happen(&Event::Write(0));
        }
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Pass(time) => self.now += time,
            Event::Read(operator) => {
                self.operators[operator] = self.reader();
                self.read[operator] = Some((self.secrets.clone(), self.now));
            }
            Event::Write(operator) => self.write(operator),
            Event::LoseWrite(operator) => self.read[operator] = None,
            Event::Take(node) => self.take(node),
            // An authority that was made meanwhile does not know the trust of the nodes.
            Event::DeleteCertificate if self.is_all_stored() => {
                self.secrets.certificate = None;
                self.secrets.versions[1] += 1;
            }
            Event::DeleteAuthorities if self.secrets.certificate.is_some() => {
                self.store(Vec::new());
            }
            Event::RestoreAuthorities if self.secrets.certificate.is_some() => {
                self.store(self.earlier.clone());
            }
            Event::DeleteCertificate | Event::DeleteAuthorities | Event::RestoreAuthorities => {}
        }
        for node in 0..self.nodes.len() {
            if self.now.duration_since(self.nodes[node].read_at) >= NODE_READS {
                self.take(node);
            }
        }
        for operator in 0..self.operators.len() {
            if self.now.duration_since(self.operators[operator].read_at) >= OPERATOR_READS {
                self.operators[operator] = self.reader();
            }
        }
    }

    fn reader(&self) -> Reader {
        Reader {
            uses: self.secrets.certificate.clone(),
            read_at: self.now,
        }
    }

    /// A file of a deleted Secret stays.
    fn take(&mut self, node: usize) {
        let before = self.nodes[node].uses.take();
        self.nodes[node] = self.reader();
        let uses = &mut self.nodes[node].uses;
        *uses = uses.take().or(before);
    }

    fn store(&mut self, authorities: Vec<Authority>) {
        self.secrets.authorities = authorities;
        self.secrets.versions[0] += 1;
    }

    fn is_all_stored(&self) -> bool {
        let is_stored = |used: &Certificate| {
            let mut stored = self.secrets.authorities.iter();
            stored.any(|one| one.id == used.issuer)
        };
        let used = self.nodes.iter().map(|node| &node.uses);
        let mut used = used.chain([&self.secrets.certificate]);
        used.all(|used| used.as_ref().is_none_or(is_stored))
    }

    /// The state that the operator has read decides; the write holds only for the versions that were read.
    fn write(&mut self, operator: usize) {
        let Some((read, at)) = self.read[operator].take() else {
            return;
        };
        if self.now.duration_since(at) > IN_FLIGHT {
            return;
        }
        let now = self.now + CLOCKS[operator];
        let step = decide(&read.authorities, read.certificate.as_ref(), now);
        let holds = |which: usize| read.versions[which] == self.secrets.versions[which];
        match step {
            Step::MakeAuthority if holds(0) => {
                self.made += 1;
                let mut authorities = read.authorities;
                authorities.push(authority(&format!("a{:03}", self.made), now));
                self.store(authorities);
            }
            Step::ForgetAuthorities if holds(0) => {
                let newest = read.authorities.last().cloned();
                self.store(newest.into_iter().collect());
            }
            Step::Certify { issuer, trusted } if holds(1) => {
                let before = read.certificate;
                let kept = || before.map(|before| (before.issuer, before.validity));
                let made = |issuer: String| {
                    let is_stored = read.authorities.iter().any(|one| one.id == issuer);
                    assert!(is_stored, "{issuer} issues, and its key is not stored");
                    (issuer, Validity::new(now, CERTIFICATE_LIFE))
                };
                let (issuer, validity) = issuer.map(made).or_else(kept).expect("something to keep");
                self.secrets.certificate = Some(Certificate {
                    issuer,
                    trusted,
                    validity,
                    written_at: now,
                });
                self.secrets.versions[1] += 1;
            }
            _ => {}
        }
    }

    /// Why an operator and a node do not trust each other, although both certificates are valid: without an operator for
    /// months, they are not.
    fn distrust(&self) -> Option<String> {
        let valid = |reader: &'_ Reader| {
            let uses = reader.uses.clone();
            uses.filter(|certificate| certificate.validity.holds(self.now))
        };
        let nodes: Vec<_> = self.nodes.iter().filter_map(valid).collect();
        let operators = self.operators.iter().filter_map(valid);
        operators
            .flat_map(|operator| nodes.iter().map(move |node| (operator.clone(), node)))
            .find(|(one, other)| {
                !one.trusted.contains(&other.issuer) || !other.trusted.contains(&one.issuer)
            })
            .map(|(operator, node)| format!("{operator:?} and {node:?}"))
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let passes = [
        SignedDuration::from_secs(30),
        SignedDuration::from_mins(10),
        SETTLED,
        DAY * 20,
        DAY * 2500,
    ];
    let event = prop_oneof![
        4 => prop::sample::select(passes.to_vec()).prop_map(Event::Pass),
        6 => (0..2_usize).prop_map(Event::Read),
        6 => (0..2_usize).prop_map(Event::Write),
        1 => (0..2_usize).prop_map(Event::LoseWrite),
        3 => (0..3_usize).prop_map(Event::Take),
        1 => Just(Event::DeleteCertificate),
        1 => Just(Event::DeleteAuthorities),
        1 => Just(Event::RestoreAuthorities),
    ];
    prop::collection::vec(event, 0..150)
}

proptest! {
    /// Two operators whose clocks differ, writes that are lost or come late, Secrets that are deleted or restored by hand:
    /// nothing ends the trust, except the loss of both Secrets.
    #[test]
    fn operators_and_nodes_trust_each_other_at_any_time(events in events()) {
        let mut world = World::new();
        for (index, event) in events.iter().enumerate() {
            world.happen(event);
            let distrust = world.distrust();
            prop_assert!(distrust.is_none(), "after {:?}: {}", &events[..=index], distrust.unwrap_or_default());
        }
        // After any history, some hours later the newest authority alone is trusted.
        for _ in 0..8 {
            world.settle();
            world.happen(&Event::Pass(SETTLED));
        }
        let Secrets { authorities, certificate, .. } = &world.secrets;
        prop_assert_eq!(authorities.len(), 1);
        let certificate = certificate.as_ref().expect("a certificate");
        prop_assert_eq!(&certificate.issuer, &authorities[0].id);
        prop_assert_eq!(certificate.trusted.len(), 1);
    }
}

#[test]
fn a_ring_at_rest_renews_in_time_and_writes_nothing_else() {
    let mut world = World::new();
    let years = 21;
    let mut writes = 0;
    for _ in 0..years * 365 * 4 {
        world.happen(&Event::Pass(SignedDuration::from_hours(6)));
        let before = world.secrets.versions;
        world.settle();
        writes += u32::from(before != world.secrets.versions);
        assert_eq!(world.distrust(), None);
        let certificate = world.secrets.certificate.as_ref().expect("a certificate");
        assert!(certificate.validity.holds(world.now));
        let newest = world.secrets.authorities.last().expect("an authority");
        assert!(newest.validity.holds(world.now));
    }
    // A certificate each sixty days, and three authorities after the first.
    assert_eq!(world.made, 4);
    let certificates = years * 365 / 60;
    assert!(
        (certificates..certificates + 10).contains(&writes),
        "{writes}"
    );
}
