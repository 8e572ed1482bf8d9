//! Pods: kubectl's word is computed from container states, last container first.

use super::{Printer, described, or, with_usage, words};
use crate::cluster::kinds::{Condition, Container, Pod, Role, State, Terminated};
use wire::table::{Cell, Column};
use wire::{Level, Millis};

/// What kubectl's READY, STATUS and RESTARTS say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub ready: u32,
    pub total: u32,
    pub status: String,
    pub restarts: u32,
    pub last_restart: Option<Millis>,
}

#[derive(Clone, Copy, Default)]
struct Restarts {
    count: u32,
    last: Option<Millis>,
}

impl Restarts {
    fn add(&mut self, count: u32, last: Option<&Terminated>) {
        self.count = self.count.saturating_add(count);
        self.last = self.last.max(last.and_then(|last| last.finished));
    }
}

fn first_is_true(conditions: &[Condition], kind: &str) -> bool {
    conditions.iter().find(|condition| &*condition.kind == kind).is_some_and(|condition| &*condition.status == "True")
}

/// `OOMKilled`, `Signal:9`, `ExitCode:2`.
fn end(terminated: &Terminated) -> String {
    match (&terminated.reason, terminated.signal) {
        (Some(reason), _) => reason.as_ref().to_owned(),
        (None, 0) => format!("ExitCode:{}", terminated.exit_code),
        (None, signal) => format!("Signal:{signal}"),
    }
}

fn by_place(pod: &Pod, wanted: impl Fn(Role) -> bool) -> Vec<&Container> {
    let mut found: Vec<_> = pod.containers.iter().filter(|c| wanted(c.role) && c.status.is_some()).collect();
    found.sort_by_key(|container| container.place);
    found
}

/// printers.go `printPod`.
#[must_use]
pub fn summary(pod: &Pod) -> Summary {
    let listed = |role: Role| pod.containers.iter().filter(|c| c.listed && c.role == role).count();
    let total = listed(Role::Container) + listed(Role::Sidecar);
    let mut status = pod.reason.as_deref().unwrap_or(&pod.phase).to_owned();
    let gated = |c: &Condition| &*c.kind == "PodScheduled" && c.reason.as_deref() == Some("SchedulingGated");
    if pod.conditions.iter().any(gated) {
        status = "SchedulingGated".to_owned();
    }
    let (mut ready, mut all, mut sidecars) = (0, Restarts::default(), Restarts::default());
    let mut initializing = false;
    for (index, container) in by_place(pod, |role| role != Role::Container).into_iter().enumerate() {
        let Some(of) = container.status.as_deref() else { continue };
        all.add(of.restarts, of.last.as_deref());
        if container.role == Role::Sidecar {
            sidecars.add(of.restarts, of.last.as_deref());
        }
        let word = match &of.state {
            State::Terminated(end) if end.exit_code == 0 => continue,
            _ if container.role == Role::Sidecar && of.started == Some(true) => {
                ready += u32::from(of.ready);
                continue;
            }
            State::Terminated(terminated) => end(terminated),
            State::Waiting { reason: Some(reason), .. } if &**reason != "PodInitializing" => reason.as_ref().to_owned(),
            State::Unknown | State::Waiting { .. } | State::Running { .. } => {
                format!("{index}/{}", listed(Role::Init) + listed(Role::Sidecar))
            }
        };
        status = format!("Init:{word}");
        initializing = true;
        break;
    }
    if !initializing || first_is_true(&pod.conditions, "Initialized") {
        all = sidecars;
        let mut running = false;
        for container in by_place(pod, |role| role == Role::Container).into_iter().rev() {
            let Some(of) = container.status.as_deref() else { continue };
            all.add(of.restarts, of.last.as_deref());
            match &of.state {
                State::Waiting { reason: Some(reason), .. } => status = reason.as_ref().to_owned(),
                State::Terminated(terminated) => status = end(terminated),
                State::Running { .. } if of.ready => {
                    running = true;
                    ready += 1;
                }
                State::Unknown | State::Waiting { .. } | State::Running { .. } => {}
            }
        }
        if status == "Completed" && running {
            let is_ready = pod.conditions.iter().any(|c| &*c.kind == "Ready" && &*c.status == "True");
            status = if is_ready { "Running" } else { "NotReady" }.to_owned();
        }
    }
    if pod.meta.deleted.is_some() {
        if pod.reason.as_deref() == Some("NodeLost") {
            status = "Unknown".to_owned();
        } else if !matches!(&*pod.phase, "Succeeded" | "Failed") {
            status = "Terminating".to_owned();
        }
    }
    let total = u32::try_from(total).unwrap_or(u32::MAX);
    Summary { ready, total, status, restarts: all.count, last_restart: all.last }
}

/// How a pod with this summary is, and its state group.
#[must_use]
pub fn level(pod: &Pod, summary: &Summary) -> (Level, &'static str) {
    let word = summary.status.strip_prefix("Init:").unwrap_or(&summary.status);
    let broken = ["BackOff", "Error", "Killed", "Err", "Invalid", "CannotRun", "NeverPull", "ExitCode:", "Signal:"];
    match &*pod.phase {
        _ if pod.meta.deleted.is_some() && summary.status == "Unknown" => (Level::Warn, "terminating"),
        _ if pod.meta.deleted.is_some() && summary.status == "Terminating" => (Level::Busy, "terminating"),
        "Succeeded" => (Level::Gone, "completed"),
        "Failed" => (Level::Bad, "failing"),
        _ if broken.iter().any(|part| word.contains(part)) => (Level::Bad, "failing"),
        "Pending" if pod.node.is_some() => (Level::Busy, "starting"),
        "Pending" => {
            let unschedulable = |c: &Condition| c.reason.as_deref() == Some("Unschedulable");
            (if pod.conditions.iter().any(unschedulable) { Level::Warn } else { Level::Busy }, "pending")
        }
        "Running" if summary.ready >= summary.total => (Level::Good, "running"),
        "Running"
            if summary.status.starts_with("Init:") || word == "PodInitializing" || word == "ContainerCreating" =>
        {
            (Level::Busy, "starting")
        }
        "Running" => {
            // A startup probe that did not pass yet is a start, not a fault.
            let starting = pod
                .containers
                .iter()
                .filter_map(|c| c.status.as_deref())
                .any(|status| status.started == Some(false) && matches!(status.state, State::Running { .. }));
            if starting { (Level::Busy, "starting") } else { (Level::Warn, "notready") }
        }
        _ => (Level::Gone, "unknown"),
    }
}

impl Printer for Pod {
    fn columns() -> Vec<Column> {
        with_usage(described(&[
            "name",
            "ready",
            "status",
            "restarts#",
            "age",
            "wide:ip",
            "wide:node",
            "wide:nominated-node",
            "wide:readiness-gates",
        ]))
    }

    fn cells(&self, _now: Millis) -> Vec<Cell> {
        let summary = summary(self);
        let (level, _) = level(self, &summary);
        let passed = self.readiness_gates.iter().filter(|gate| first_is_true(&self.conditions, gate)).count();
        vec![
            words(&*self.meta.name),
            Cell::Ready(summary.ready, summary.total),
            Cell::State(level, summary.status),
            Cell::Restarts(summary.restarts, summary.last_restart),
            Cell::Time(self.meta.created),
            or(self.ip.as_deref(), "<none>"),
            or(self.node.as_deref(), "<none>"),
            or(self.nominated_node.as_deref(), "<none>"),
            match self.readiness_gates.len() {
                0 => words("<none>"),
                total => words(format!("{passed}/{total}")),
            },
            Cell::None,
            Cell::None,
        ]
    }

    fn cell(&self, at: usize, now: Millis) -> Option<Cell> {
        match at {
            0 => Some(words(&*self.meta.name)),
            2 => {
                let summary = summary(self);
                Some(Cell::State(level(self, &summary).0, summary.status))
            }
            4 => Some(Cell::Time(self.meta.created)),
            6 => Some(or(self.node.as_deref(), "<none>")),
            _ => self.cells(now).into_iter().nth(at),
        }
    }

    fn state(&self, _now: Millis) -> (Level, &'static str) {
        level(self, &summary(self))
    }
}
