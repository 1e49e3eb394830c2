//! Parts that several modules of tests share.

use proptest::{prelude::ProptestConfig, test_runner::RngSeed};

/// Random histories are long: fewer than usual in every run, and always the same ones, so that no change fails for
/// code that it has not touched; as many new ones as `PROPTEST_CASES` asks for. One that fails is reported after a minute,
/// however long it still is.
#[expect(
    clippy::disallowed_methods,
    reason = "a test may be asked for more cases by its environment"
)]
pub fn histories() -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let usual = ProptestConfig::default();
    ProptestConfig {
        max_shrink_time: 60_000,
        cases: if asked { usual.cases } else { 64 },
        rng_seed: if asked {
            usual.rng_seed
        } else {
            RngSeed::Fixed(64)
        },
        ..usual
    }
}
