//! Kubernetes quantities (`100m`, `1.5Gi`, `2e3`) as integers, rounded up as the API server does.

/// Millicores. `None` when the text is not a quantity that is zero or more.
pub fn millicores(text: &str) -> Option<u64> {
    scaled(text, 3)
}

/// Bytes, or pieces for plain counts.
pub fn whole(text: &str) -> Option<u64> {
    scaled(text, 0)
}

/// The quantity times ten to the power of `shift`, rounded up; saturates.
fn scaled(text: &str, shift: i32) -> Option<u64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let (binary, ten) = match suffix {
        "" => (0, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        _ => (0, suffix.strip_prefix(['e', 'E'])?.parse::<i16>().ok()?.into()),
    };
    // Digits beyond what a u128 holds with room for a binary suffix are no quantity anybody writes.
    let mut mantissa: u128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        mantissa = mantissa.checked_mul(10)?.checked_add(u128::from(digit - b'0'))?;
    }
    let power = ten + shift - i32::try_from(fraction.len()).ok()?;
    let Some(value) = mantissa.checked_mul(1u128 << binary) else { return Some(u64::MAX) };
    let step = 10u128.checked_pow(power.unsigned_abs());
    let value = match (power >= 0, step) {
        (true, Some(step)) => value.saturating_mul(step),
        (true, None) if value == 0 => 0,
        (true, None) => u128::MAX,
        (false, Some(step)) => value.div_ceil(step),
        (false, None) => u128::from(value > 0),
    };
    Some(u64::try_from(value).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::{millicores, whole};

    #[track_caller]
    fn check(text: &str, cpu: Option<u64>, memory: Option<u64>) {
        assert_eq!((millicores(text), whole(text)), (cpu, memory), "{text}");
    }

    #[test]
    fn every_suffix_is_read() {
        check("1", Some(1000), Some(1));
        check("100m", Some(100), Some(1));
        check("250u", Some(1), Some(1));
        check("5n", Some(1), Some(1));
        check("1500000n", Some(2), Some(1));
        check("2k", Some(2_000_000), Some(2000));
        check("3M", Some(3_000_000_000), Some(3_000_000));
        check("1G", Some(1_000_000_000_000), Some(1_000_000_000));
        check("1T", Some(1_000_000_000_000_000), Some(1_000_000_000_000));
        check("1P", Some(1_000_000_000_000_000_000), Some(1_000_000_000_000_000));
        check("1E", Some(u64::MAX), Some(1_000_000_000_000_000_000));
        check("1Ki", Some(1_024_000), Some(1024));
        check("1.5Gi", Some(1_610_612_736_000), Some(1_610_612_736));
        check("1Ti", Some(1_099_511_627_776_000), Some(1_099_511_627_776));
        check("1Pi", Some(1_125_899_906_842_624_000), Some(1_125_899_906_842_624));
        check("16Ei", Some(u64::MAX), Some(u64::MAX));
    }

    #[test]
    fn exponents_and_fractions_are_read() {
        check("1e3", Some(1_000_000), Some(1000));
        check("1E3", Some(1_000_000), Some(1000));
        check("12e-1", Some(1200), Some(2));
        check(".5", Some(500), Some(1));
        check("0.1", Some(100), Some(1));
        check("+1.", Some(1000), Some(1));
        check("0", Some(0), Some(0));
    }

    #[test]
    fn what_is_no_quantity_is_unknown() {
        for text in ["", ".", "m", "-1", "1 Gi", "1Kii", "1.2.3", "e3", "1e", "NaN"] {
            check(text, None, None);
        }
    }
}
