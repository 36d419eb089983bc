#!/usr/bin/env bash
# Makes this machine able to build Qingting: checks the Rust toolchain, installs the system packages
# that are missing, or prints the one line that does it, and fetches the libraries to link against.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

rust_wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
command -v cargo >/dev/null || fail "Rust is missing. Install it: https://rustup.rs (version $rust_wanted or newer), then run this again."
rust_here=$(cargo --version | cut -d' ' -f2)
[ "$(printf '%s\n%s\n' "$rust_wanted" "$rust_here" | sort -V | head -1)" = "$rust_wanted" ] ||
  fail "Rust $rust_here is too old: $rust_wanted or newer is needed. Run: rustup update stable"

# By the command that tells.
need cc gcc
need c++ g++
need cmake cmake
need python3 python3
python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
need npm npm
need pkg-config pkg-config
install_missing "System packages"
scripts/setup-sherpa.sh
say "Toolchain: Rust $rust_here, $(cc --version | head -1), $(cmake --version | head -1)"
