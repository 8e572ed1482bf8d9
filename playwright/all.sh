#!/usr/bin/env bash
# Every test there is, cheapest first; stops at the first tier that fails. Prints one line with the sum at its end.
set -euo pipefail
cd "$(dirname "$0")/.."
. ./setup.sh
need build
logs=$TAFFRAIL_CACHE/logs
mkdir -p "$logs"

# Runs a tier with its output kept and, when it fails, shown to its end.
tier() {
  local name=$1
  shift
  step "$name"
  if ! "$@" > "$logs/$name.log" 2>&1; then
    tail -150 "$logs/$name.log" >&2
    fail "$name failed; all of its output: $logs/$name.log"
  fi
  grep -E '^test result|^  [0-9]+ (passed|failed)|^ +[0-9]+ passed' "$logs/$name.log" >&2 || true
}

tier lint bash ./playwright/lint.sh
frontend
# Two calls: one feature set for the server, one for the browser, so that neither rebuilds the other's dependencies.
tier cargo env INSTA_UPDATE=no cargo test
tier browser-units env INSTA_UPDATE=no cargo test -p frontend -p chart -p kubeconfig -p bundle
cargo build -q -p backend --bin taffrail --example rows
TAFFRAIL="$CARGO_TARGET_DIR/debug/taffrail" CHROME="$(chrome)"
export TAFFRAIL CHROME
tier demo bash -c 'cd playwright && node_modules/.bin/playwright test --project=demo'
tier cluster bash ./playwright/cluster/test.sh

sum() { cat "$logs"/{cargo,browser-units,demo,cluster}.log | grep -oE "[0-9]+ $1" | awk '{s += $1} END {print s + 0}'; }
echo "$(sum passed) passed, $(sum failed) failed"
grep '^left out' "$logs/cluster.log" || true
