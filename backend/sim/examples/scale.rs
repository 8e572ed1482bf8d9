//! How long a cluster of so many nodes and pods a node takes to start, and what it holds: `scale 5000 30`. With a file
//! name as a third argument it writes the product's kubeconfig there and serves until its standard input closes.

use sim::{Cluster, Config, Who};
use std::time::Instant;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut numbers = arguments.iter().take(2).map(|text| text.parse::<u32>());
    let nodes = numbers.next().transpose()?.unwrap_or(5000);
    let pods_per_node = numbers.next().transpose()?.unwrap_or(30);
    let began = Instant::now();
    let cluster = Cluster::start(Config { nodes, pods_per_node, ..Config::default() }).await?;
    let started = began.elapsed();
    let node = cluster.answering().into_iter().next().unwrap_or_default();
    let began = Instant::now();
    let page = cluster.page(&node, cluster.clock().now());
    let took = began.elapsed();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let resident = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    println!(
        "{nodes} nodes x {pods_per_node} pods in {started:.1?}, {resident}; a kubelet's page of {} bytes in {took:?}",
        page.len()
    );
    if let Some(file) = arguments.get(2) {
        std::fs::write(file, cluster.kubeconfig(Who::Taffrail))?;
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
    }
    Ok(())
}
