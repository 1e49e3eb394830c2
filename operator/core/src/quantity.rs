//! Quantities as Kubernetes writes them.

/// Bytes of a Kubernetes quantity such as `1536Mi`.
pub fn quantity_bytes(text: &str) -> Option<i64> {
    let suffixes: [(&str, i64); 9] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
        ("", 1),
    ];
    suffixes.iter().find_map(|(suffix, factor)| {
        let number: f64 = text.strip_suffix(suffix)?.parse().ok()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "sizes of memory, rounded to a byte"
        )]
        Some((number * *factor as f64) as i64)
    })
}
