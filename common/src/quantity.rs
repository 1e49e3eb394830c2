//! Kubernetes quantities (`resource.Quantity`), such as `1536Mi`, `0.5`, `100m` or `1e9`.

/// Maximum number of parsed digits: enough for every quantity that fits into 64 bits, with nine decimals.
const MAX_DIGITS: usize = 28;

/// The value of a quantity, rounded up to a whole number as in Kubernetes; none if the text is not a quantity. A value
/// beyond 64 bits is the largest that fits.
pub fn parse(text: &str) -> Option<i64> {
    scaled(text, 0)
}

/// The same in thousandths, as Kubernetes adds CPUs.
pub fn parse_milli(text: &str) -> Option<i64> {
    scaled(text, 3)
}

/// The value of a quantity times a power of ten.
fn scaled(text: &str, power: i32) -> Option<i64> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let (base, exponent) = scale(suffix)?;
    let exponent = exponent + power;
    let whole = whole.trim_start_matches('0');
    if whole.len() > MAX_DIGITS {
        return Some(if negative { i64::MIN } else { i64::MAX });
    }
    let (fraction, rest) = fraction.split_at(fraction.len().min(MAX_DIGITS - whole.len()));
    let digits = format!("0{whole}{fraction}");
    let mantissa: i128 = digits.parse().ok()?;
    let mantissa = mantissa + i128::from(rest.bytes().any(|digit| digit != b'0'));
    let exponent = exponent - i32::try_from(fraction.len()).ok()?;
    let magnitude = mantissa.checked_mul(base);
    let power = 10_i128.checked_pow(exponent.unsigned_abs());
    let value = match (magnitude, power, exponent >= 0) {
        (Some(0), _, _) => Some(0),
        (Some(magnitude), Some(power), true) => magnitude.checked_mul(power),
        // Quantities are rounded away from zero, as in Kubernetes.
        (Some(magnitude), Some(power), false) => Some((magnitude + power - 1) / power),
        (Some(_), None, false) => Some(1),
        _ => None,
    };
    let value = value.map(|value| if negative { -value } else { value });
    Some(match value {
        Some(value) => i64::try_from(value).unwrap_or(if negative { i64::MIN } else { i64::MAX }),
        None if negative => i64::MIN,
        None => i64::MAX,
    })
}

/// The factor of a suffix, and its power of ten.
fn scale(suffix: &str) -> Option<(i128, i32)> {
    let decimal = |exponent| Some((1, exponent));
    let binary = |power: u32| Some((1_i128 << (10 * power), 0));
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        other => {
            let exponent = other.strip_prefix(['e', 'E'])?;
            let exponent: i32 = exponent.parse().ok()?;
            (exponent.abs() <= 1000).then_some((1, exponent))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_read_as_kubernetes_reads_it() {
        for (text, value) in [
            ("0", 0),
            ("1", 1),
            ("+1", 1),
            ("-1", -1),
            ("1n", 1),
            ("1u", 1),
            ("1m", 1),
            ("1500m", 2),
            ("2000m", 2),
            ("2000000u", 2),
            ("2000000000n", 2),
            ("1k", 1_000),
            ("1M", 1_000_000),
            ("1G", 1_000_000_000),
            ("1T", 1_000_000_000_000),
            ("1P", 1_000_000_000_000_000),
            ("1E", 1_000_000_000_000_000_000),
            ("1Ki", 1 << 10),
            ("1Mi", 1 << 20),
            ("1Gi", 1 << 30),
            ("1Ti", 1 << 40),
            ("1Pi", 1 << 50),
            ("1Ei", 1 << 60),
            ("1536Mi", 1536 << 20),
            ("1.5Gi", 3 << 29),
            ("0.5", 1),
            (".5Gi", 1 << 29),
            ("1.", 1),
            ("1e3", 1_000),
            ("1E3", 1_000),
            ("12e-1", 2),
            ("1.5e9", 1_500_000_000),
            ("0.000000000000000000000000000000000001", 1),
            ("00000000000000000000000000000000000001", 1),
            ("9Ei", i64::MAX),
            ("1e30", i64::MAX),
            ("-9000Ei", i64::MIN),
            ("100000000000000000000000000000000000000", i64::MAX),
            ("0e999", 0),
        ] {
            assert_eq!(parse(text), Some(value), "{text}");
        }
    }

    #[test]
    fn thousandths_are_not_rounded() {
        let all = ["1", "0.5", "100m", "1500u", "-1", "2k", "1Ki", "9E", "x"];
        let values = all.map(parse_milli);
        let expected = [1000, 500, 100, 2, -1000, 2_000_000, 1_024_000, i64::MAX].map(Some);
        assert_eq!(values[..8], expected);
        assert_eq!(values[8], None);
    }

    #[test]
    fn what_is_no_quantity_is_not_read() {
        for text in [
            "", ".", "-", "Gi", "1gi", "1K", "1kB", "1 Gi", "1..2", "1e", "1e99999", "--1", "0x1",
            "1Gi ", "١",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
