#!/usr/bin/env bash
# Installs the telephones that the end-to-end tests call with, or prints the one line that does it.
# Says nothing when all is there.
set -euo pipefail

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
fail() { printf '\033[31m%s\033[0m\n' "$*" >&2; exit 1; }

missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need sipp sip-tester
need linphonec linphone-cli
# baresip-core has the program and its modules; the package baresip adds only GTK, X11 and FFmpeg.
need baresip baresip-core
[ ${#missing[@]} -gt 0 ] || exit 0

line="apt-get install -y --no-install-recommends ${missing[*]}"
if [ "$(id -u)" = 0 ]; then
  as=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  as=(sudo -n)
else
  fail "Test telephones are missing. Run: sudo $line"
fi
command -v apt-get >/dev/null || fail "Test telephones are missing: ${missing[*]} (this is not a Debian or Ubuntu machine)"
say "Installing test telephones: ${missing[*]}"
# Another apt at work is waited for, three minutes at most.
apt=("${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=180)
"${apt[@]}" update
"${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null ||
  fail "Could not install the packages. Run: sudo $line"
