//! A cluster of so many nodes and pods a node, for load: `scale 5000 30` prints how long it takes to start, and what it
//! holds. With a file name as a third argument it writes the product's kubeconfig there, the administrator's beside it
//! (`FILE.admin`), and serves until its standard input closes; a line with a number there restarts so many pods a second
//! from then on, `relist` ends all watches so that everything is listed anew.

use sim::{ApiFault, Cluster, Config, Who};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Changes of a second come in so many parts.
const PARTS: usize = 20;
/// How long watches end as soon as they are open: their clients list in the meantime.
const EXPIRY: Duration = Duration::from_millis(500);

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
    let Some(file) = arguments.get(2) else { return Ok(()) };
    std::fs::write(format!("{file}.admin"), cluster.kubeconfig(Who::Admin))?;
    std::fs::write(file, cluster.kubeconfig(Who::Taffrail))?;
    let rate = Arc::new(AtomicUsize::new(0));
    let (asked, mut places) = (Arc::clone(&rate), 0);
    let (relist, mut relists) = tokio::sync::mpsc::channel(8);
    let expire = async {
        while relists.recv().await.is_some() {
            cluster.set_api_fault(Some(ApiFault::WatchExpired));
            cluster.restart(0, 1); // a watch hears of its end with its next change
            tokio::time::sleep(EXPIRY).await;
            cluster.set_api_fault(None);
        }
    };
    let churn = async {
        let mut beat = tokio::time::interval(Duration::from_secs(1) / u32::try_from(PARTS).unwrap_or(1));
        loop {
            beat.tick().await;
            let count = rate.load(Ordering::Relaxed) / PARTS;
            cluster.restart(places, count);
            places += count;
        }
    };
    let orders = tokio::task::spawn_blocking(move || {
        for line in std::io::stdin().lines() {
            let line = line?;
            if line.trim() == "relist" {
                // Who does not listen any more is ending.
                let _ = relist.blocking_send(());
                continue;
            }
            match line.trim().parse() {
                Ok(rate) => asked.store(rate, Ordering::Relaxed),
                Err(error) => eprintln!("not a number of changes a second: {error}"),
            }
        }
        Ok::<(), std::io::Error>(())
    });
    tokio::select! {
        ended = orders => ended??,
        () = churn => {}
        () = expire => {}
    }
    Ok(())
}
