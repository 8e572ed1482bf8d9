#!/bin/sh
# Builds the standard library for the browser, once per compiler, into the user's cache folder; prints the sysroot.
# Only for compilers that come without that library (Debian's rustc-web); with rustup nothing of this is needed.
set -eu
target=wasm32-unknown-unknown
rustc=/usr/bin/rustc
tag=$($rustc -vV | sed -n 's/^release: //p')-$($rustc -vV | sed -n 's/^commit-hash: //p' | cut -c1-9)
sysroot=${TAFFRAIL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/taffrail}/wasm-std/$tag
lib=$sysroot/lib/rustlib/$target/lib
if [ ! -d "$lib" ]; then
    src=$($rustc --print sysroot)/lib/rustlib/src/rust/library
    build=$(mktemp -d)
    trap 'rm -rf "$build"' EXIT
    # force-unstable-if-unmarked marks the support crates as private, as the compiler's own build does.
    RUSTC=$rustc RUSTC_BOOTSTRAP=1 \
    RUSTFLAGS='-Zforce-unstable-if-unmarked -Cembed-bitcode=yes -Cdebuginfo=0 -Copt-level=s' \
        /usr/bin/cargo build --manifest-path "$src/sysroot/Cargo.toml" --release --locked \
        --target $target --target-dir "$build" >&2
    rm -rf "$lib.new" && mkdir -p "$lib.new"
    cp "$build/$target/release/deps/"*.rlib "$lib.new/"
    mv "$lib.new" "$lib"        # whole or not at all
fi
echo "$sysroot"
