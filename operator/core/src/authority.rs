//! The authority that the operator makes for the nodes of a ring: what is written next, so that the operator and the nodes
//! trust each other at any time (`docs/adr/0026-own-authority.md`).
//!
//! Two Secrets are kept. That of the authority has the private keys and is read by the operator only. That of the nodes
//! has a certificate, its key, and the authorities to trust; the operator uses what it has, and the nodes use what it has
//! or had within [`SETTLED`]. Each change of the second is safe beside its predecessor, and is followed by another one
//! only when no node uses that predecessor any more:
//!
//! | certificate by | trusted |
//! |---|---|
//! | old | old |
//! | old | old, new |
//! | new | old, new |
//! | new | new |

mod record;

pub use record::{Unreadable, blocks, id, read, record};

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

/// How long an authority is valid: ten years.
pub const AUTHORITY_LIFE: SignedDuration = SignedDuration::from_hours(24 * 3652);
/// How long a certificate is valid.
pub const CERTIFICATE_LIFE: SignedDuration = SignedDuration::from_hours(24 * 90);
/// How long before it was issued a certificate is valid already: clocks differ.
pub const SKEW: SignedDuration = SignedDuration::from_hours(1);
/// Time after which every node uses what was written. The kubelet updates the files of a Secret within two minutes, and the
/// next probe takes them over.
pub const SETTLED: SignedDuration = SignedDuration::from_hours(1);

/// How long before its end a certificate should have been renewed, unless its life is short.
const LATE: SignedDuration = SignedDuration::from_hours(24 * 14);

/// The time in which a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// When it was issued; it is valid since [`SKEW`] before that.
    pub issued_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
}

impl Validity {
    /// The validity of a certificate that is issued now, for this long.
    pub fn new(now: Timestamp, life: SignedDuration) -> Self {
        Self {
            issued_at: now,
            expires_at: later(now, life),
        }
    }

    /// The first time at which it is valid.
    pub fn starts_at(&self) -> Timestamp {
        later(self.issued_at, -SKEW)
    }

    /// Whether the certificate should have been renewed by now: two weeks before its end, or in the last quarter of a shorter
    /// life.
    pub fn ends_soon(&self, now: Timestamp) -> bool {
        let life = self.expires_at.duration_since(self.issued_at);
        now >= later(self.expires_at, -LATE.min(life / 4))
    }

    fn holds(&self, now: Timestamp) -> bool {
        self.starts_at() <= now && now < self.expires_at
    }

    /// Whether a successor is due: after two thirds of its life, and at once if it is not valid. One from the future was
    /// issued by a clock that was wrong.
    fn is_due(&self, now: Timestamp) -> bool {
        let life = self.expires_at.duration_since(self.issued_at);
        !self.holds(now) || now >= later(self.issued_at, life * 2 / 3)
    }
}

/// An authority whose private key is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Its [`id`].
    pub id: String,
    /// When its certificate is valid.
    pub validity: Validity,
}

/// The content of the Secret of the nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Id of the authority that issued the certificate.
    pub issuer: String,
    /// Ids of the authorities to trust.
    pub trusted: BTreeSet<String>,
    /// When the certificate is valid.
    pub validity: Validity,
    /// When the Secret was written.
    pub written_at: Timestamp,
}

/// The next write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing is to be written now.
    Rest,
    /// An authority is made and stored as the newest, before anything is issued by it.
    MakeAuthority,
    /// All authorities but the newest are forgotten, before the nodes no longer trust them.
    ForgetAuthorities,
    /// The Secret of the nodes is written.
    Certify {
        /// Id of the stored authority that issues the certificate; none keeps the present certificate.
        issuer: Option<String>,
        /// Ids of the authorities to trust: stored ones, and those that the Secret has.
        trusted: BTreeSet<String>,
    },
}

/// Decides what is written next. `authorities` are the stored ones, the newest last; `present` is what the Secret of the
/// nodes has, nothing if it does not exist or cannot be used.
pub fn decide(authorities: &[Authority], present: Option<&Certificate>, now: Timestamp) -> Step {
    let Some(newest) = authorities.last() else {
        return Step::MakeAuthority;
    };
    // A renewal ends before the next one begins; an authority that is not valid cannot end it.
    let is_renewed = authorities.len() > 1;
    if !newest.validity.holds(now) || (newest.validity.is_due(now) && !is_renewed) {
        return Step::MakeAuthority;
    }
    let renewal = Renewal {
        authorities,
        newest,
        now,
    };
    match present {
        None => renewal.anew(),
        Some(present) if present.issuer == newest.id => renewal.conclude(present),
        Some(present) => renewal.introduce(present),
    }
}

/// The change to the newest of the stored authorities.
struct Renewal<'a> {
    authorities: &'a [Authority],
    newest: &'a Authority,
    now: Timestamp,
}

impl Renewal<'_> {
    /// The Secret of the nodes is lost. Nodes may use whatever it had while these authorities were stored, so all of them
    /// are trusted, and the oldest issues: every such node trusts it.
    fn anew(&self) -> Step {
        let mut valid = self.authorities.iter().filter(|one| self.may_issue(one));
        let issuer = valid.next().unwrap_or(self.newest);
        Step::Certify {
            issuer: Some(issuer.id.clone()),
            trusted: self.authorities.iter().map(|one| one.id.clone()).collect(),
        }
    }

    /// The certificate is of another authority, stored or not: the newest one is trusted first, and issues later.
    fn introduce(&self, present: &Certificate) -> Step {
        let mut stored = self.authorities.iter();
        let issuer = stored.find(|one| one.id == present.issuer && self.may_issue(one));
        let is_void = issuer.is_none() && !present.validity.holds(self.now);
        let is_trusted = present.trusted.contains(&self.newest.id);
        if is_void || (is_trusted && self.is_settled(present)) {
            return self.certify(Some(self.newest), present);
        }
        if !is_trusted || self.is_from_the_future(present) {
            return self.certify(issuer, present);
        }
        match issuer {
            Some(_) if present.validity.is_due(self.now) => self.certify(issuer, present),
            _ => Step::Rest,
        }
    }

    /// The certificate is of the newest authority, which alone is trusted in the end.
    fn conclude(&self, present: &Certificate) -> Step {
        let is_alone = present.trusted.len() == 1 && present.trusted.contains(&self.newest.id);
        if present.validity.is_due(self.now)
            || !present.trusted.contains(&self.newest.id)
            || (!is_alone && self.is_from_the_future(present))
        {
            return self.certify(Some(self.newest), present);
        }
        if !is_alone && !self.is_settled(present) {
            return Step::Rest;
        }
        if self.authorities.len() > 1 {
            return Step::ForgetAuthorities;
        }
        if is_alone {
            return Step::Rest;
        }
        Step::Certify {
            issuer: Some(self.newest.id.clone()),
            trusted: [self.newest.id.clone()].into(),
        }
    }

    /// Nothing that is trusted is taken away, and each stored authority may have to issue if the certificate is lost.
    fn certify(&self, issuer: Option<&Authority>, present: &Certificate) -> Step {
        let stored = self.authorities.iter().map(|one| one.id.clone());
        Step::Certify {
            issuer: issuer.map(|issuer| issuer.id.clone()),
            trusted: present.trusted.iter().cloned().chain(stored).collect(),
        }
    }

    fn may_issue(&self, authority: &Authority) -> bool {
        authority.validity.holds(self.now)
    }

    fn is_settled(&self, present: &Certificate) -> bool {
        self.now.duration_since(present.written_at) >= SETTLED
    }

    /// Whether a clock that was wrong has written the Secret: it would count as new for too long.
    fn is_from_the_future(&self, present: &Certificate) -> bool {
        present.written_at.duration_since(self.now) > SKEW
    }
}

/// A time after another one; the last possible time if there is none.
fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    let bound = if by.is_negative() {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    time.checked_add(by).unwrap_or(bound)
}

#[cfg(test)]
mod tests;
