//! What several modules of tests share.

use proptest::prelude::ProptestConfig;

/// Random histories are long: fewer than usual in every run, as many as `PROPTEST_CASES` says when asked for.
pub fn histories() -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: if asked { usual.cases } else { 64 },
        ..usual
    }
}
