//! What this process costs, read from the kernel: processor time and resident memory. And which of its tasks panicked.

use crate::exposition::{Kind, Page, as_value};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;

const EVERY: Duration = Duration::from_secs(5);
/// `USER_HZ`: the unit of `/proc/self/stat`, the same on every Linux since 2.6.
const TICKS: f64 = 100.0;

/// Panics by task. Of the process, as the panics are.
static PANICS: Mutex<BTreeMap<&'static str, u64>> = Mutex::new(BTreeMap::new());

/// A task panicked; what became of it is the caller's to say.
pub fn panicked(task: &'static str) {
    *PANICS.lock().entry(task).or_default() += 1;
}

/// How often a task panicked.
#[must_use]
pub fn panics(task: &str) -> u64 {
    PANICS.lock().get(task).copied().unwrap_or_default()
}

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

/// Appends Prometheus' usual families of a process; nothing where the system does not say.
pub fn write(page: &mut Page) {
    page.family("taffrail_panics_total", Kind::Counter, "Panics, by the task that began anew after each.");
    for (task, count) in &*PANICS.lock() {
        page.sample(&[("task", task)], as_value(*count));
    }
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (stat, status) = (read("/proc/self/stat"), read("/proc/self/status"));
    if let Some(ticks) = ticks(&stat) {
        page.family("process_cpu_seconds_total", Kind::Counter, "Processor time of user and system, seconds.");
        page.sample(&[], ticks / TICKS);
    }
    if let Some(bytes) = resident(&status) {
        page.family("process_resident_memory_bytes", Kind::Gauge, "Resident memory, bytes.");
        page.sample(&[], bytes);
    }
    if let Some(bytes) = kilobytes(&status, "VmSize:") {
        page.family("process_virtual_memory_bytes", Kind::Gauge, "Virtual memory, bytes.");
        page.sample(&[], bytes);
    }
    if let Some(started) = started(&stat, &read("/proc/stat")) {
        page.family("process_start_time_seconds", Kind::Gauge, "Start of the process, Unix seconds.");
        page.sample(&[], started);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        page.family("process_open_fds", Kind::Gauge, "Open file descriptors.");
        page.sample(&[], as_value(open.count() as u64));
    }
    let limits = read("/proc/self/limits");
    let most =
        limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok());
    if let Some(most) = most {
        page.family("process_max_fds", Kind::Gauge, "Largest number of open file descriptors.");
        page.sample(&[], most);
    }
}

/// Unix seconds: the field `starttime` counts from the boot, whose time `/proc/stat` has.
fn started(own: &str, system: &str) -> Option<f64> {
    let ticks: f64 = own.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()?;
    let boot: f64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot + ticks / TICKS)
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
    kilobytes(status, "VmRSS:")
}

/// A line of a `status` page in kB, in bytes.
fn kilobytes(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
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
