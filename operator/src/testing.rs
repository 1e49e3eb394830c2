//! What several modules of tests share.

use proptest::prelude::ProptestConfig;

/// Random histories are long: fewer than usual in every run, as many as `PROPTEST_CASES` says when asked for; and one that
/// fails is told after a minute, however long it still is.
pub fn histories() -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let usual = ProptestConfig::default();
    ProptestConfig {
        max_shrink_time: 60_000,
        cases: if asked { usual.cases } else { 64 },
        ..usual
    }
}
