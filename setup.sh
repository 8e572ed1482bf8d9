# Sourced by the Makefile: finds or installs what a target needs, and sets the compiler's environment.
#   need build|lint|browser|cluster…   installs what is missing (Debian, as root) or says what to install
#   frontend                           builds the browser's half into frontend/dist
#   step "words"                       says what is being done
set -euo pipefail
: "${TAFFRAIL_CACHE:=$HOME/.cache/taffrail}"
mkdir -p "$TAFFRAIL_CACHE"
export TAFFRAIL_CACHE CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$TAFFRAIL_CACHE/target}" npm_config_cache="$TAFFRAIL_CACHE/npm"
export BIN="$TAFFRAIL_CACHE/bin/k8s-1.36.2"
export PATH="$PATH:$BIN" # a kubectl of the machine's own comes first
unset RUSTFLAGS # would switch off the flags set below, and with them the browser's standard library
# Leptos erases the types of views and attributes: less code to load. Where a crate lies on this machine is nobody's
# business, and bytes in every first load. In effect for both toolchains.
wasm_flags="--cfg erase_components --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src/="
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="$wasm_flags"

step() { printf '\033[1m== %s\033[0m (%s)\n' "$*" "$(date +%T)" >&2; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# Debian packages that are not there yet; elsewhere the list is for the person to install.
packages() {
  local missing=()
  for p in "$@"; do dpkg -s "$p" > /dev/null 2>&1 || missing+=("$p"); done
  [ ${#missing[@]} -eq 0 ] && return
  if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    step "installing ${missing[*]}"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > "$TAFFRAIL_CACHE/apt.log" 2>&1 \
      || { tail -20 "$TAFFRAIL_CACHE/apt.log" >&2; fail "apt-get could not install ${missing[*]}"; }
  else
    fail "please install: ${missing[*]}"
  fi
}

# One toolchain for everything: Debian's where it is installed (tests were made with it), else rustup's where it has or
# can fetch the browser's standard library, else Debian's, installed now.
toolchain() {
  local lib
  if dpkg -s rustc-web rust-web-src rust-web-clippy rustfmt-web lld-19 > /dev/null 2>&1; then debian; return; fi
  lib=$(rustc --print target-libdir --target wasm32-unknown-unknown 2> /dev/null || true)
  if [ -n "$lib" ] && [ -d "$lib" ]; then return; fi
  if [ ! -e "$TAFFRAIL_CACHE/no-rustup-target" ] && command -v rustup > /dev/null \
      && timeout 60 rustup target add wasm32-unknown-unknown > /dev/null 2>&1; then return; fi
  touch "$TAFFRAIL_CACHE/no-rustup-target"
  packages rustc-web cargo-web rust-web-src rust-web-llvm rust-web-clippy rustfmt-web lld-19
  debian
}

debian() {
  export PATH="/usr/bin:$PATH" RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc
  local sysroot
  sysroot=$(sh frontend/bundle/wasm-std.sh)
  export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="--sysroot $sysroot $wasm_flags" CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-19
}

need() {
  local what
  for what in "$@"; do
    case $what in
      build)
        command -v cargo > /dev/null || fail "cargo is missing: https://rustup.rs"
        command -v node > /dev/null || fail "Node.js 20 or newer is missing"
        command -v cc > /dev/null && command -v make > /dev/null || packages build-essential
        toolchain
        modules ;;
      lint) deny ;;
      browser)
        if ! chrome > /dev/null; then packages chromium; fi
        if command -v dpkg > /dev/null; then packages fonts-wqy-microhei; fi ;;
      cluster)
        if [ -n "${KUBECONFIG:-}" ]; then
          command -v kubectl > /dev/null || fail "KUBECONFIG is set, and kubectl is missing"
          continue
        fi
        packages containerd runc containernetworking-plugins busybox-static iptables nftables iproute2 openssl python3 curl
        command -v go > /dev/null || packages golang
        bash playwright/cluster/cluster.sh build ;;
    esac
  done
}

# npm packages of the tests and wasm-opt, as playwright/package-lock.json has them.
modules() {
  local stamp=playwright/node_modules/.package-lock.json
  if [ ! -e "$stamp" ] || [ playwright/package-lock.json -nt "$stamp" ]; then
    step "installing npm packages"
    (cd playwright && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund --loglevel=error)
  fi
}

deny() {
  [ -x "$TAFFRAIL_CACHE/tools/bin/cargo-deny" ] && return
  step "building cargo-deny (once, some minutes)"
  CARGO_TARGET_DIR="$TAFFRAIL_CACHE/tools-target" cargo install --quiet --locked cargo-deny@0.20.2 --root "$TAFFRAIL_CACHE/tools"
}

chrome() {
  local c
  for c in /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
    [ -x "$c" ] && { echo "$c"; return; }
  done
  return 1
}

# PROFILE=wasm (shipped) or wasm-dev (quick).
frontend() {
  local profile=${PROFILE:-wasm} opt=()
  [ "$profile" = wasm ] && opt=("$PWD/playwright/node_modules/binaryen/bin/wasm-opt")
  step "building the browser's half"
  cargo build -q -p frontend -p kubeconfig --target wasm32-unknown-unknown --profile "$profile"
  cargo run -q -p bundle -- "$CARGO_TARGET_DIR/wasm32-unknown-unknown/$profile" assets frontend/dist "${opt[@]}"
}
