#!/usr/bin/env bash
# rustfmt, clippy on both targets, cargo-deny, eslint. Sourced environment: setup.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\033[1m== %s\033[0m (%s)\n' "$*" "$(date +%T)" >&2; }
# cargo looks for its subcommands in CARGO_HOME before the PATH: with Debian's compiler, a rustup beside it would answer.
if [ "${RUSTC:-}" = /usr/bin/rustc ]; then
  clippy() { CARGO=/usr/bin/cargo /usr/bin/cargo-clippy clippy "$@"; }
  format() { CARGO=/usr/bin/cargo RUSTFMT=/usr/bin/rustfmt /usr/bin/cargo-fmt fmt "$@"; }
else
  clippy() { cargo clippy "$@"; }
  format() { cargo fmt "$@"; }
fi
say "rustfmt"
format --all --check
say "clippy"
clippy --quiet --workspace --exclude frontend --all-targets -- -D warnings
clippy --quiet -p frontend --all-targets -- -D warnings
clippy --quiet -p frontend -p chart -p kubeconfig --target wasm32-unknown-unknown -- -D warnings
say "cargo-deny"
"$TAFFRAIL_CACHE/tools/bin/cargo-deny" --log-level error check bans licenses sources
say "eslint"
(cd playwright && node_modules/.bin/eslint .)
