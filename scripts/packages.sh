# shellcheck shell=bash
# Sourced by the set-up scripts: which system packages are missing, and installing them when that is
# allowed, else the one line that does it.

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
fail() { printf '\033[31m%s\033[0m\n' "$*" >&2; exit 1; }

missing=()
# need COMMAND PACKAGE
need() { command -v "$1" >/dev/null || missing+=("$2"); }

# install_missing WHAT: does nothing when all is there.
install_missing() {
  [ ${#missing[@]} -gt 0 ] || return 0
  local line="apt-get install -y --no-install-recommends ${missing[*]}"
  local as=()
  command -v apt-get >/dev/null ||
    fail "$1 are missing: ${missing[*]} (this is not a Debian or Ubuntu machine)"
  if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
      fail "$1 are missing. Run: sudo $line"
    fi
    as=(sudo -n)
  fi
  say "Installing $1: ${missing[*]}"
  # Another apt at work is waited for, three minutes at most.
  local apt=("${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=180)
  "${apt[@]}" update
  "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null ||
    fail "Could not install the packages. Run: sudo $line"
}
