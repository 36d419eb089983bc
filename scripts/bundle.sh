#!/usr/bin/env bash
# Makes target/package/qingting-VERSION-ARCH.tar for machines without any network (make bundle): the package, the
# models of this machine, a bill of materials in CycloneDX, checksums, and an installer.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
arch=$(dpkg --print-architecture)
name=qingting-$version-$arch
out=target/package
work=$out/$name
cyclonedx=0.5.9
rm -rf "$work"
mkdir -p "$work/models" "$work/sbom"
cp "$out/qingting_${version}_$arch.deb" "$work/"

say "Bill of materials"
if ! target/tools/bin/cargo-cyclonedx cyclonedx --version 2>/dev/null | grep -q "$cyclonedx"; then
  say "Building cargo-cyclonedx $cyclonedx (about two minutes, once)"
  cargo install --quiet --locked --root target/tools "cargo-cyclonedx@$cyclonedx"
fi
PATH="$PWD/target/tools/bin:$PATH" cargo cyclonedx --quiet --format json --manifest-path server/Cargo.toml --override-filename qingting-sbom
mv server/qingting-sbom.json "$work/sbom/qingting.cdx.json"
find . -name qingting-sbom.json -not -path './target/*' -not -path '*/node_modules/*' -delete
[ ! -d console/node_modules ] || (cd console && npm sbom --sbom-format cyclonedx --omit dev) >"$work/sbom/console.cdx.json"

say "Models"
models=${QINGTING_MODELS:-${QINGTING_HOME:-$HOME/.local/share/qingting}/models}
[ -d "$models" ] || fail "there are no models in $models: run target/release/qingting models fetch, or set QINGTING_MODELS"
cp -r "$models"/. "$work/models/"
rm -rf "$work"/models/.[!.]* "$work"/models/tickets

cat >"$work/install.sh" <<'INSTALL'
#!/bin/sh
# Installs Qingting where there is no network. Run as root.
set -eu
cd "$(dirname "$0")"
[ "$(id -u)" = 0 ] || { echo "run it as root: sudo ./install.sh" >&2; exit 1; }
echo "Checking every file"
sha256sum --quiet -c SHA256SUMS || { echo "a file is damaged: copy the bundle anew" >&2; exit 1; }
echo "Installing the package"
if ! dpkg -i qingting_*.deb; then
  echo "what is named above is missing on this machine; it is on the medium of its own distribution" >&2
  exit 1
fi
echo "Installing the models"
install -d -m 700 -o qingting -g qingting /var/lib/qingting/models
rm -rf /var/lib/qingting/models.new
cp -r models /var/lib/qingting/models.new
chown -R qingting:qingting /var/lib/qingting/models.new
runuser -u qingting -- qingting models import /var/lib/qingting/models.new --models /var/lib/qingting/models
rm -rf /var/lib/qingting/models.new
runuser -u qingting -- qingting doctor --config /etc/qingting/config.toml || true
echo "Installed. Start it: systemctl enable --now qingting"
INSTALL
chmod +x "$work/install.sh"
(cd "$work" && find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum >SHA256SUMS)
tar -C "$out" --owner=0 --group=0 -cf "$out/$name.tar" "$name"
rm -rf "$work"
say "$out/$name.tar ($(du -h "$out/$name.tar" | cut -f1))"
