//! Kubernetes' spelling of quantities and Go's of durations.

/// CPU from nanocores, `DecimalSI`.
pub(super) fn cpu(nanocores: u64) -> String {
    spell(nanocores, 1000, &["n", "u", "m", "", "k", "M", "G"])
}

/// Memory from bytes: `BinarySI`, below 1024 `DecimalSI`.
pub(super) fn memory(bytes: u64) -> String {
    if bytes < 1024 {
        return spell(bytes, 1000, &["", "k"]);
    }
    spell(bytes, 1024, &["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"])
}

fn spell(mut value: u64, base: u64, suffixes: &[&str]) -> String {
    if value == 0 {
        return "0".into();
    }
    if value > i64::MAX as u64 {
        // As upstream's fallback to arbitrary precision rounds it.
        value = value / 10 * 10;
        let first = suffixes.first().copied().unwrap_or_default();
        return format!("{value}{first}");
    }
    let mut suffix = 0;
    while value.is_multiple_of(base) && suffix + 1 < suffixes.len() {
        value /= base;
        suffix += 1;
    }
    format!("{value}{}", suffixes.get(suffix).copied().unwrap_or_default())
}

/// Go's `time.Duration.String()`.
pub(super) fn duration(nanos: u64) -> String {
    if nanos == 0 {
        return "0s".into();
    }
    if nanos < 1_000_000_000 {
        let (unit, digits) = match nanos {
            ..1_000 => ("ns", 0),
            1_000..1_000_000 => ("µs", 3),
            _ => ("ms", 6),
        };
        return format!("{}{unit}", decimal(nanos, digits));
    }
    let (minutes, rest) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
    let seconds = decimal(rest, 9);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// `value` / 10^digits without trailing zeros.
fn decimal(value: u64, digits: u32) -> String {
    let unit = 10_u64.pow(digits);
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let rest = format!("{rest:0width$}", width = digits as usize);
    format!("{whole}.{}", rest.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_spelled_as_kubernetes_does() {
        let table = [
            (1_000_000_000, "1"),
            (2_500_000_000, "2500m"),
            (187_059_437, "187059437n"),
            (20_000, "20u"),
            (0, "0"),
            (500_000_000, "500m"),
            (1_000_000_000_000, "1k"),
        ];
        for (nanos, text) in table {
            assert_eq!(cpu(nanos), text);
        }
        let table = [
            (1_616_273_408, "1578392Ki"),
            (12_533_760, "12240Ki"),
            (3_145_728, "3Mi"),
            (1_616_273_409, "1616273409"),
            (600, "600"),
            (1000, "1k"),
            (0, "0"),
            (1 << 60, "1Ei"),
            (u64::MAX, "18446744073709551610"),
        ];
        for (bytes, text) in table {
            assert_eq!(memory(bytes), text);
        }
    }

    #[test]
    fn durations_are_spelled_as_go_does() {
        let table = [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (1_500_000, "1.5ms"),
            (15_046_000_000, "15.046s"),
            (60_000_000_000, "1m0s"),
            (75_500_000_000, "1m15.5s"),
            (3_600_000_000_000, "1h0m0s"),
        ];
        for (nanos, text) in table {
            assert_eq!(duration(nanos), text);
        }
    }
}
