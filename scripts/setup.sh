#!/usr/bin/env bash
# Makes this machine able to build Qingting: checks the Rust toolchain and installs the system
# packages that are missing, or prints the one line that does it.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
fail() { printf '\033[31m%s\033[0m\n' "$*" >&2; exit 1; }

# 1. Rust.
rust_wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
command -v cargo >/dev/null || fail "Rust is missing. Install it: https://rustup.rs (version $rust_wanted or newer), then run this again."
rust_here=$(cargo --version | cut -d' ' -f2)
[ "$(printf '%s\n%s\n' "$rust_wanted" "$rust_here" | sort -V | head -1)" = "$rust_wanted" ] ||
  fail "Rust $rust_here is too old: $rust_wanted or newer is needed. Run: rustup update stable"

# 2. System packages: what is missing, by the command or header that tells.
missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need cc gcc
need c++ g++
need cmake cmake
need python3 python3
python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
need npm npm
need pkg-config pkg-config
if [ ${#missing[@]} -gt 0 ]; then
  line="apt-get install -y --no-install-recommends ${missing[*]}"
  if [ "$(id -u)" = 0 ]; then
    as=()
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as=(sudo -n)
  else
    fail "System packages are missing. Run: sudo $line"
  fi
  command -v apt-get >/dev/null || fail "System packages are missing: ${missing[*]} (this is not a Debian or Ubuntu machine)"
  say "Installing system packages: ${missing[*]}"
  "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  "${as[@]}" env DEBIAN_FRONTEND=noninteractive $line -qq >/dev/null ||
    fail "Could not install the packages. Run: sudo $line"
fi
say "Toolchain: Rust $rust_here, $(cc --version | head -1), $(cmake --version | head -1)"
