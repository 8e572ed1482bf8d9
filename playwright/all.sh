#!/usr/bin/env bash
# Every test there is, cheapest first; stops at the first tier that fails. Prints one line with the sum at its end.
set -euo pipefail
cd "$(dirname "$0")/.."
. ./setup.sh
say() { printf '\033[1m== %s\033[0m (%s)\n' "$*" "$(date +%T)" >&2; }
# setup.sh has put the toolchain on the PATH of the caller; here it is asked for again.
need build
logs=${TAFFRAIL_CACHE}/logs
mkdir -p "$logs"

bash ./playwright/lint.sh
frontend
say "unit and black-box tests"
CI=${CI:-} INSTA_UPDATE=no cargo test --workspace 2>&1 | tee "$logs/cargo.log" | grep -E '^(test result|running|error|failures:|    )|panicked|FAILED' || true
[ "${PIPESTATUS[0]}" = 0 ] || { tail -80 "$logs/cargo.log" >&2; exit 1; }
cargo build -p backend --bin taffrail
export TAFFRAIL="$CARGO_TARGET_DIR/debug/taffrail" CHROME="$(chrome)"

say "the demo in a browser"
(cd playwright && npx --no-install playwright test --project=demo) 2>&1 | tee "$logs/demo.log"
say "the real cluster"
bash ./playwright/cluster/test.sh 2>&1 | tee "$logs/cluster.log"

passed=$(( $(grep -oE '[0-9]+ passed' "$logs"/{cargo,demo,cluster}.log | grep -oE '[0-9]+ passed' | awk '{s+=$1} END {print s+0}') ))
failed=$(( $(grep -oE '[0-9]+ failed' "$logs"/{cargo,demo,cluster}.log | grep -oE '[0-9]+ failed' | awk '{s+=$1} END {print s+0}') ))
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
