#!/usr/bin/env bash
# Puts sherpa-onnx's shared libraries where .cargo/config.toml looks for them: from the package that
# models/manifest.toml pins, by pip, verified. Says nothing when they are there.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

# Somebody who builds with libraries of their own has said so.
[ -z "${SHERPA_ONNX_LIB_DIR:-}" ] || exit 0

folder=target/sherpa-onnx
package=sherpa-onnx-core
machine=$(uname -m)
# The manifest's entries are paragraphs: this package for this processor.
pin=$(awk -v package="name = \"$package\"" -v arch="arch = \"$machine\"" -v RS= \
  'index($0, package) && index($0, arch)' models/manifest.toml)
[ -n "$pin" ] || fail "$package has no libraries for $machine: set SHERPA_ONNX_LIB_DIR to a folder with your own."
field() { sed -n "s/^$1 = \"\(.*\)\"/\1/p" <<<"$pin"; }
sha256=$(field sha256)
[ "$(cat "$folder/sha256" 2>/dev/null)" != "$sha256" ] || exit 0

say "Fetching sherpa-onnx's libraries"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$work" \
  "$package==$(field version)" ||
  fail "pip could not fetch $package $(field version) (a mirror: pip config set global.index-url URL)."
archive="$work/$(field archive)"
sha256sum --check --status <<<"$sha256  $archive" ||
  fail "$archive is not what models/manifest.toml pins."
python3 -m zipfile --extract "$archive" "$work/unpacked"
mkdir -p "$folder"
cp "$work"/unpacked/sherpa_onnx/lib/lib{onnxruntime,sherpa-onnx-c-api}.so "$folder"
echo "$sha256" >"$folder/sha256"
