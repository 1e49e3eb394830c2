//! Each situation, and the step that follows.

use super::*;

/// A situation: the stored authorities, and what the Secret of the nodes has: the issuer, the trusted authorities, and when
/// it was issued and written.
const SITUATIONS: &str = "\
nothing exists: -; -
an authority exists: new; -
at rest: new; new trusts new, young
the certificate is due: new; new trusts new, due
the certificate is of the future: new; new trusts new, future
the authority is due: old; old trusts old, settled
the authority has expired: expired; expired trusts expired, expired
the authority is of the future: future; future trusts future, future
a new authority is stored: old new; old trusts old, settled
it is trusted: old new; old trusts old new, fresh
it is trusted for an hour: old new; old trusts old new, settled
it issues: old new; new trusts old new, fresh
it issues for an hour: old new; new trusts old new, settled
the old one is forgotten: new; new trusts old new, settled
the new one alone is trusted: old new; new trusts new, fresh
the certificate is lost during a renewal: old new; -
the certificate is due during a renewal: old new; old trusts old new, due but fresh
the authority is lost: new; lost trusts lost, settled
its successor is trusted: new; lost trusts lost new, fresh
its successor is trusted for an hour: new; lost trusts lost new, settled
its certificate has expired: new; lost trusts lost, expired
it was written in the future: new; lost trusts lost new, written in the future
the old one has expired: expired new; expired trusts expired, expired
the newest one is of the future: old future; old trusts old future, settled
";

fn stored(name: &str) -> Authority {
    let issued_at = match name {
        "old" => start() - AUTHORITY_LIFE * 3 / 4,
        "expired" => start() - AUTHORITY_LIFE,
        "future" => start() + DAY,
        _ => start() - DAY,
    };
    authority(name, issued_at)
}

fn present(text: &str) -> Certificate {
    let (names, time) = text.split_once(", ").expect("a time");
    let (issuer, trusted) = names.split_once(" trusts ").expect("trusted ones");
    let trusted: Vec<&str> = trusted.split(' ').collect();
    let now = start();
    let at = |written_at| certificate(issuer, &trusted, written_at);
    match time {
        "fresh" => at(now - SETTLED / 2),
        "settled" => at(now - SETTLED),
        "young" => at(now - DAY * 59),
        "due" => at(now - DAY * 61),
        "expired" => at(now - DAY * 91),
        "future" => at(now + DAY),
        "due but fresh" => Certificate {
            written_at: now - SETTLED / 2,
            ..at(now - DAY * 61)
        },
        "written in the future" => Certificate {
            written_at: now + DAY,
            ..at(now - SETTLED)
        },
        other => panic!("no time: {other}"),
    }
}

fn told(step: &Step) -> String {
    match step {
        Step::Rest => "rest".into(),
        Step::MakeAuthority => "make an authority".into(),
        Step::ForgetAuthorities => "forget the older ones".into(),
        Step::Certify { issuer, trusted } => {
            let trusted: Vec<&str> = trusted.iter().map(String::as_str).collect();
            let issuer = issuer.as_deref().unwrap_or("nobody");
            format!("issued by {issuer}, trusted {}", trusted.join(" "))
        }
    }
}

#[test]
fn every_situation_has_its_step() {
    let step = |situation: &str| {
        let (_, what) = situation.split_once(": ").expect("a description");
        let (authorities, certificate) = what.split_once("; ").expect("two Secrets");
        let authorities = authorities.split(' ').filter(|name| *name != "-");
        let authorities: Vec<Authority> = authorities.map(stored).collect();
        let present = (certificate != "-").then(|| present(certificate));
        decide(&authorities, present.as_ref(), start())
    };
    let steps = SITUATIONS
        .lines()
        .map(|situation| format!("{situation} => {}", told(&step(situation))));
    insta::assert_snapshot!(steps.collect::<Vec<_>>().join("\n"));
}
