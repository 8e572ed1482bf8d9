//! Durations as kubectl prints them (`HumanDuration`, apimachinery `pkg/util/duration`). Here because the browser
//! renders ages from timestamps with the same function the server tests against kubectl.

use alloc::format;
use alloc::string::String;

/// The text of a duration in milliseconds: `59s`, `2m5s`, `3h`, `2d4h`, `3y21d`; `<invalid>` for more than a second
/// below zero.
#[must_use]
pub fn human(millis: i64) -> String {
    let seconds = millis / 1000;
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let two = |a: i64, unit: char, b: i64, rest: char| {
        if b == 0 { format!("{a}{unit}") } else { format!("{a}{unit}{b}{rest}") }
    };
    match () {
        () if seconds < -1 => "<invalid>".into(),
        () if seconds < 0 => "0s".into(),
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, 'm', seconds % 60, 's'),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, 'h', minutes % 60, 'm'),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 192 => two(hours / 24, 'd', hours % 24, 'h'),
        () if hours < 17_520 => format!("{}d", hours / 24),
        () if hours < 70_080 => two(hours / 8760, 'y', hours / 24 % 365, 'd'),
        () => format!("{}y", hours / 8760),
    }
}
