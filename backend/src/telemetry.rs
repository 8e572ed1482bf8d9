//! What this process costs, read from the kernel: processor time and resident memory.

use std::time::Duration;
use tokio::sync::watch;

const EVERY: Duration = Duration::from_secs(5);
/// `USER_HZ`: the unit of `/proc/self/stat`, the same on every Linux since 2.6.
const TICKS: f64 = 100.0;

/// Tells `(millicores, resident bytes)` every five seconds until `stop` resolves; NaN where the system does not say.
pub async fn measure(cost: watch::Sender<(f32, f32)>, stop: impl Future<Output = ()>) {
    let mut due = tokio::time::interval(EVERY);
    let mut before: Option<(f64, tokio::time::Instant)> = None;
    tokio::pin!(stop);
    loop {
        let now = tokio::select! {
            () = &mut stop => return,
            now = due.tick() => now,
        };
        let ticks = read("/proc/self/stat").await.as_deref().and_then(ticks);
        let memory = read("/proc/self/status").await.as_deref().and_then(resident).unwrap_or(f64::NAN);
        let cpu = match (before, ticks) {
            (Some((then, at)), Some(ticks)) => (ticks - then) / TICKS / (now - at).as_secs_f64() * 1000.0,
            _ => f64::NAN,
        };
        before = ticks.map(|ticks| (ticks, now));
        #[expect(clippy::cast_possible_truncation, reason = "three digits are shown")]
        cost.send_replace((cpu as f32, memory as f32));
    }
}

/// Absent on systems without `/proc`: the cost is then shown as unknown.
async fn read(path: &str) -> Option<String> {
    tokio::fs::read_to_string(path).await.ok()
}

/// User and system time of a `stat` line; the command's name may hold spaces and parentheses.
fn ticks(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?)
}

/// `VmRSS` of a `status` page, in bytes.
fn resident(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_is_no_field() {
        let line = "1 (a) b) S 1 1 1 0 -1 0 0 0 0 0 250 50 0 0 20 0 1 0 1 1 1";
        assert_eq!(ticks(line), Some(300.0));
        assert_eq!(ticks("nonsense"), None);
    }

    #[test]
    fn resident_memory_is_bytes() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t  2048 kB\n"), Some(2_097_152.0));
        assert_eq!(resident("Name:\tx\n"), None);
    }
}
