//! Numbers with their units, as text. Pure.

use wire::chart::Metric;

/// A number and its unit.
pub(crate) fn amount(value: f64, metric: Metric) -> (String, &'static str) {
    if !value.is_finite() {
        return ("–".to_owned(), "");
    }
    match metric {
        Metric::Cpu if value >= 9_995.0 => (format!("{:.1}", value / 1000.0), "cores"),
        Metric::Cpu if value >= 999.5 => (format!("{:.2}", value / 1000.0), "cores"),
        Metric::Cpu => (format!("{value:.0}"), "m"),
        Metric::Memory => {
            let mib = value / 1_048_576.0;
            if mib >= 10_240.0 { (format!("{:.1}", mib / 1024.0), "GiB") } else { (format!("{mib:.0}"), "MiB") }
        }
    }
}

pub(crate) fn both(value: f64, metric: Metric) -> String {
    let (number, unit) = amount(value, metric);
    format!("{number} {unit}").trim_end().to_owned()
}

/// Share of a whole between 0 and 1; `None` when either is unknown.
pub(crate) fn share(part: f64, whole: f64) -> Option<f64> {
    let share = part / whole;
    (share.is_finite() && whole > 0.0).then_some(share)
}

pub(crate) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", share * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units() {
        assert_eq!(both(148.4, Metric::Cpu), "148 m");
        assert_eq!(both(999.7, Metric::Cpu), "1.00 cores");
        assert_eq!(both(8_688.0, Metric::Cpu), "8.69 cores");
        assert_eq!(both(11_400.0, Metric::Cpu), "11.4 cores");
        assert_eq!(both(512.0 * 1_048_576.0, Metric::Memory), "512 MiB");
        assert_eq!(both(f64::NAN, Metric::Cpu), "–");
        assert_eq!(percent(share(1.0, 0.0)), "–");
        assert_eq!(percent(share(1.0, 4.0)), "25 %");
    }
}
