//! Sensible ticks and their labels.

use crate::Unit;

const KIB: f64 = 1024.0;

/// The distance of value ticks that covers zero to `top` in at most `most` steps.
pub(crate) fn value_step(unit: Unit, top: f64, most: u32) -> f64 {
    let wanted = top / f64::from(most.max(1));
    match unit {
        Unit::Cores => {
            let decade = 10_f64.powf(wanted.max(0.001).log10().floor());
            decade * round_up(wanted.max(0.001) / decade, &[1.0, 2.0, 2.5, 5.0, 10.0])
        }
        Unit::Bytes => {
            let mut scale = 1.0;
            while wanted / scale >= KIB {
                scale *= KIB;
            }
            let fine = [1.0, 2.0, 5.0, 10.0, 20.0, 25.0, 50.0, 100.0, 200.0, 250.0, 256.0, 500.0, 512.0, KIB];
            scale * round_up((wanted / scale).max(1.0), &fine)
        }
    }
}

/// The distance of time ticks over `seconds` with room for `most` labels.
pub(crate) fn time_step(seconds: f64, most: u32) -> f64 {
    let steps = [60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10_800.0, 21_600.0, 43_200.0, 86_400.0];
    round_up(seconds / f64::from(most.max(1)), &steps)
}

fn round_up(wanted: f64, steps: &[f64]) -> f64 {
    let fitting = steps.iter().find(|step| **step >= wanted * (1.0 - 1e-9));
    fitting.or(steps.last()).copied().unwrap_or(1.0)
}

/// A value as the axis and the tooltip write it: `250 m`, `1.5`, `512 MiB`.
#[must_use]
pub fn label(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Cores if value == 0.0 => "0".to_owned(),
        Unit::Cores if value < 0.9995 => format!("{} m", short(value * 1000.0)),
        Unit::Cores => short(value),
        Unit::Bytes => {
            let words = ["", " KiB", " MiB", " GiB", " TiB", " PiB"];
            let mut scaled = value;
            let mut word = "";
            for next in words {
                word = next;
                if scaled < KIB || next == " PiB" {
                    break;
                }
                scaled /= KIB;
            }
            format!("{}{word}", short(scaled))
        }
    }
}

/// Two decimals at most, none that say nothing.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `HH:MM` of a Unix time in the viewer's zone.
pub(crate) fn clock(seconds: f64, offset_minutes: i32) -> String {
    let minutes = (seconds / 60.0).floor() as i64 + i64::from(offset_minutes);
    let of_day = minutes.rem_euclid(24 * 60);
    format!("{:02}:{:02}", of_day / 60, of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_labelled_in_the_unit_people_use() {
        for (unit, value, expected) in [
            (Unit::Cores, 0.0, "0"),
            (Unit::Cores, 0.25, "250 m"),
            (Unit::Cores, 1.5, "1.5"),
            (Unit::Bytes, 0.0, "0"),
            (Unit::Bytes, 512.0 * 1024.0 * 1024.0, "512 MiB"),
            (Unit::Bytes, 1536.0 * 1024.0 * 1024.0, "1.5 GiB"),
        ] {
            assert_eq!(label(unit, value), expected);
        }
    }

    #[test]
    fn ticks_cover_the_range_in_round_steps() {
        for (unit, top, expected) in [
            (Unit::Cores, 0.45, 0.2),
            (Unit::Cores, 3.0, 1.0),
            (Unit::Cores, 0.0, 0.001),
            (Unit::Bytes, 600.0 * 1_048_576.0, 200.0 * 1_048_576.0),
            (Unit::Bytes, 3.0 * 1_073_741_824.0, 1_073_741_824.0),
        ] {
            assert!(
                (value_step(unit, top, 3) - expected).abs() <= expected * 1e-9,
                "{top} {}",
                value_step(unit, top, 3)
            );
        }
    }

    #[test]
    fn the_clock_is_the_viewers() {
        assert_eq!(clock(0.0, 0), "00:00");
        assert_eq!(clock(0.0, -90), "22:30");
        assert_eq!(clock(86_399.0, 60), "00:59");
    }
}
