#!/usr/bin/env bash
# Every figure beside its budget (design, section 6). Nothing is asserted here: machines differ, and shared ones lie.
set -euo pipefail
cd "$(dirname "$0")/../.."
. ./setup.sh
need build browser
for bench in parse store cluster live topology; do
  step "bench $bench"
  cargo bench -q -p backend --bench "$bench" 2>&1 | grep -E '^bench:|error' || true
done
# What a first load fetches, as the build says it; its budget is asserted by `cargo test -p bundle`.
INSTA_UPDATE=no cargo test -q -p bundle --test first_load -- --nocapture | sed -n 's/^first load: \([0-9]*\) bytes of \([0-9]*\).*/bench: first load, brotli: \1 bytes (budget \2)/p'
step "bench bytes a pod"
cargo test -q -p backend --test pod_memory -- --nocapture | grep '^bench:'
step "bench the whole process, as it is shipped (some minutes)"
cargo build -q --release -p backend --bin taffrail --example hostile
cargo build -q --release -p sim --example scale
bytes=$(stat -c %s "$CARGO_TARGET_DIR/release/taffrail")
echo "bench: binary, stripped: $bytes bytes (budget 30000000)"
bash playwright/bench/scale.sh "$CARGO_TARGET_DIR/release/examples/scale" "$CARGO_TARGET_DIR/release/taffrail"
step "bench isolation (five minutes)"
(cd playwright && node bench/isolation.js "$CARGO_TARGET_DIR/release/examples/scale" "$CARGO_TARGET_DIR/release/taffrail" "$CARGO_TARGET_DIR/release/examples/hostile")
step "bench the browser"
(cd playwright && CHROME=$(chrome) node bench/browser.js "$CARGO_TARGET_DIR/release/examples/scale" "$CARGO_TARGET_DIR/release/taffrail")
