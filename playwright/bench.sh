#!/usr/bin/env bash
# Every figure beside its budget (design, section 6). Nothing is asserted here: machines differ, and shared ones lie.
set -euo pipefail
cd "$(dirname "$0")/.."
. ./setup.sh
need build
for bench in parse store cluster live topology; do
  step "bench $bench"
  cargo bench -q -p backend --bench "$bench" 2>&1 | grep -E '^bench:|error' || true
done
first=0
for file in frontend/dist/a/*.br; do first=$((first + $(stat -c %s "$file"))); done
echo "bench: first load, brotli: $first bytes (budget 300000)"
