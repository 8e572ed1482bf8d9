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
# What a first load fetches: each file as brotli where there is such a copy.
first=$(stat -c %s frontend/dist/index.html)
for file in frontend/dist/a/*; do
  case $file in *.br | *.gz) continue ;; esac
  [ -e "$file.br" ] && file=$file.br
  first=$((first + $(stat -c %s "$file")))
done
echo "bench: first load, brotli: $first bytes (budget 300000)"
