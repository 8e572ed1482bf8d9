#!/usr/bin/env bash
# rustfmt, clippy on both targets, cargo-deny, eslint. Sourced environment: setup.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\033[1m== %s\033[0m (%s)\n' "$*" "$(date +%T)" >&2; }
say "rustfmt"
cargo fmt --all --check
say "clippy"
cargo clippy --quiet --workspace --exclude frontend --all-targets -- -D warnings
cargo clippy --quiet -p frontend --all-targets -- -D warnings
cargo clippy --quiet -p frontend -p chart --target wasm32-unknown-unknown -- -D warnings
say "cargo-deny"
"$TAFFRAIL_CACHE/tools/bin/cargo-deny" --log-level error check bans licenses sources
say "eslint"
(cd playwright && node_modules/.bin/eslint .)
