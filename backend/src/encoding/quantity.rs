//! Kubernetes' spelling of quantities and Go's of durations.

use super::json::put;

/// CPU from nanocores, `DecimalSI`.
pub(super) fn cpu(nanocores: u64, out: &mut Vec<u8>) {
    spell(nanocores, 1000, &["n", "u", "m", "", "k", "M", "G"], out);
}

/// Memory from bytes: `BinarySI`, below 1024 `DecimalSI`.
pub(super) fn memory(bytes: u64, out: &mut Vec<u8>) {
    if bytes < 1024 {
        spell(bytes, 1000, &["", "k"], out);
    } else {
        spell(bytes, 1024, &["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"], out);
    }
}

fn spell(mut value: u64, base: u64, suffixes: &[&str], out: &mut Vec<u8>) {
    let mut suffix = 0;
    if value > i64::MAX as u64 {
        // As upstream's fallback to arbitrary precision rounds it.
        value = value / 10 * 10;
    } else if value == 0 {
        return out.push(b'0');
    } else {
        while value.is_multiple_of(base) && suffix + 1 < suffixes.len() {
            value /= base;
            suffix += 1;
        }
    }
    put(out, format_args!("{value}{}", suffixes.get(suffix).copied().unwrap_or_default()));
}

/// Go's `time.Duration.String()`.
pub(super) fn duration(nanos: u64, out: &mut Vec<u8>) {
    if nanos == 0 {
        return out.extend_from_slice(b"0s");
    }
    if nanos < 1_000_000_000 {
        let (unit, digits) = match nanos {
            ..1_000 => ("ns", 0),
            1_000..1_000_000 => ("µs", 3),
            _ => ("ms", 6),
        };
        decimal(nanos, digits, out);
        return out.extend_from_slice(unit.as_bytes());
    }
    let (minutes, rest) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => {}
        (0, minutes) => put(out, format_args!("{minutes}m")),
        (hours, minutes) => put(out, format_args!("{hours}h{minutes}m")),
    }
    decimal(rest, 9, out);
    out.push(b's');
}

/// `value` / 10^digits without trailing zeros.
fn decimal(value: u64, digits: usize, out: &mut Vec<u8>) {
    let unit = 10_u64.pow(u32::try_from(digits).unwrap_or_default());
    let (whole, rest) = (value / unit, value % unit);
    put(out, format_args!("{whole}"));
    if rest > 0 {
        put(out, format_args!(".{rest:0digits$}"));
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

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
            (9_223_372_036_854_775_817, "9223372036854775810n"),
        ];
        for (nanos, expected) in table {
            assert_eq!(text(|out| cpu(nanos, out)), expected);
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
        for (bytes, expected) in table {
            assert_eq!(text(|out| memory(bytes, out)), expected);
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
        for (nanos, expected) in table {
            assert_eq!(text(|out| duration(nanos, out)), expected);
        }
    }
}
