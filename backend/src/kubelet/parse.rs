//! Temporary reader of plain pages.

use super::page::{ContainerPoint, NodePage, NodePoint, PodPoints};
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::Millis;

#[derive(Debug, Default)]
pub struct Names;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    pub line: u32,
    pub what: &'static str,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    pub page: NodePage,
    pub problems: Vec<Problem>,
    pub scrape_error: bool,
    pub hopeless: bool,
}

pub fn page(text: &[u8], node: &Arc<str>, asked: Millis, scheduled: bool, _: &mut Names) -> Parsed {
    let text = String::from_utf8_lossy(text);
    let mut problems = Vec::new();
    let mut scrape_error = false;
    let mut np = (None::<(Millis, u64)>, None::<u64>, None::<u64>);
    let mut cs: BTreeMap<(String, String), BTreeMap<String, ContainerPoint>> = BTreeMap::new();
    let mut good = 0;
    for (i, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, labels, rest) = match line.find('{') {
            Some(open) => match line.rfind('}') {
                Some(close) => (&line[..open], &line[open + 1..close], &line[close + 1..]),
                None => {
                    problems.push(Problem { line: i as u32 + 1, what: "x" });
                    continue;
                }
            },
            None => line.split_once(' ').map_or((line, "", ""), |(a, b)| (a, "", b)),
        };
        let mut fields = rest.split_whitespace();
        let value = fields.next().and_then(|v| v.parse::<f64>().ok()).filter(|v| v.is_finite() && *v >= 0.0);
        let at = fields.next().map_or(Some(asked), |t| t.parse::<Millis>().ok().filter(|t| *t >= 0));
        let (Some(value), Some(at)) = (value, at) else {
            problems.push(Problem { line: i as u32 + 1, what: "x" });
            continue;
        };
        let mut l: BTreeMap<&str, &str> = BTreeMap::new();
        for kv in labels.split(',').filter(|kv| !kv.is_empty()) {
            if let Some((k, v)) = kv.split_once('=') {
                l.insert(k, v.trim_matches('"'));
            }
        }
        good += 1;
        match name {
            "node_cpu_usage_seconds_total" => np.0 = Some((at, (value * 1e9).round() as u64)),
            "node_memory_working_set_bytes" => np.1 = Some(value as u64),
            "node_swap_usage_bytes" => np.2 = Some(value as u64),
            "resource_scrape_error" | "scrape_error" => scrape_error |= value > 0.0,
            n if n.starts_with("container_") => {
                let get = |k: &str| l.get(k).copied().unwrap_or_default().to_owned();
                let c = cs.entry((get("namespace"), get("pod"))).or_default().entry(get("container")).or_insert(
                    ContainerPoint {
                        name: get("container").into(),
                        at: asked,
                        cpu: None,
                        memory: None,
                        swap: None,
                        started: None,
                    },
                );
                match n {
                    "container_cpu_usage_seconds_total" => {
                        c.at = at;
                        c.cpu = Some((value * 1e9).round() as u64).filter(|v| *v > 0);
                    }
                    "container_memory_working_set_bytes" => c.memory = Some(value as u64).filter(|v| *v > 0),
                    "container_swap_usage_bytes" => c.swap = Some(value as u64),
                    "container_start_time_seconds" if value > 978_307_200.0 => {
                        c.started = Some((value * 1e9).round() as u64);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    let node_point = match np {
        (Some((at, cpu)), Some(memory), swap) if cpu > 0 && memory > 0 => Some(NodePoint { at, cpu, memory, swap }),
        _ => None,
    };
    let hopeless = good == 0 && !problems.is_empty();
    let pods = cs
        .into_iter()
        .map(|((ns, name), c)| PodPoints {
            namespace: ns.into(),
            name: name.into(),
            containers: c.into_values().collect(),
        })
        .collect();
    Parsed {
        page: NodePage { node: Arc::clone(node), asked, scheduled, node_point, pods },
        problems,
        scrape_error,
        hopeless,
    }
}
