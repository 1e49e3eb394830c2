//! Digests of configuration.

use serde::Serialize;

/// A short digest of something serialisable, stable over versions of the operator.
pub fn digest<T: Serialize>(value: &T) -> String {
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    let hash = ring::digest::digest(&ring::digest::SHA256, &bytes);
    let (head, _) = hash.as_ref().split_at(size_of::<u64>());
    let number = head
        .iter()
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{number:016x}")
}
