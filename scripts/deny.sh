#!/usr/bin/env bash
# Checks what the program is made of against deny.toml: licences, banned crates, sources, and known vulnerabilities
# where their database can be fetched (it is a Git repository on GitHub; without it one line says so).
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

version=0.20.2
deny=target/tools/bin/cargo-deny
if [ "$("$deny" --version 2>/dev/null)" != "cargo-deny $version" ]; then
  say "Building cargo-deny $version (some minutes, once)"
  cargo install --quiet --locked --root target/tools "cargo-deny@$version"
fi
PATH="$PWD/target/tools/bin:$PATH"
for manifest in Cargo.toml fuzz/Cargo.toml; do
  cargo deny --log-level error --locked --manifest-path "$manifest" --config deny.toml check licenses bans sources
done
if timeout 60 cargo deny --log-level error --config deny.toml fetch db >/dev/null 2>&1; then
  cargo deny --log-level error --locked --config deny.toml check --disable-fetch advisories
else
  say "Known vulnerabilities: NOT checked, their database (github.com/rustsec/advisory-db) cannot be reached from here"
fi
