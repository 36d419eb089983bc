#!/usr/bin/env bash
# Makes target/package/qingting_VERSION_ARCH.deb out of what was built (make deb).
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh
need dpkg-deb dpkg
need dpkg-shlibdeps dpkg-dev
install_missing "Programs for packages"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
arch=$(dpkg --print-architecture)
out=target/package
work=$out/root
rm -rf "$work"
mkdir -p "$work"/{DEBIAN,usr/bin,usr/lib/qingting,usr/lib/sysusers.d,usr/lib/sysctl.d,lib/systemd/system,usr/share/qingting,etc/qingting} \
  "$work/usr/share/doc/qingting/deploy"

say "Packing Qingting $version for $arch"
for file in qingting qingting-sherpa-worker; do
  install -m 755 "target/release/$file" "$work/usr/lib/qingting/"
  strip "$work/usr/lib/qingting/$file"
done
install -m 644 target/sherpa-onnx/*.so "$work/usr/lib/qingting/"
ln -s ../lib/qingting/qingting "$work/usr/bin/qingting"
target/release/qingting check-config --print-default | sed -f deploy/debian/config.toml.sed >"$work/usr/share/qingting/config.toml"
grep -q '^dir = "/var/lib/qingting"$' "$work/usr/share/qingting/config.toml" || fail "the default configuration has changed: mend deploy/debian/config.toml.sed"
install -m 644 deploy/systemd/*.service "$work/lib/systemd/system/"
install -m 644 deploy/debian/qingting.sysusers "$work/usr/lib/sysusers.d/qingting.conf"
install -m 644 deploy/debian/60-qingting.conf "$work/usr/lib/sysctl.d/"
cp -r README.md README.zh-CN.md SECURITY.md CHANGELOG.md docs/*.md docs/*.svg docs/openapi.json "$work/usr/share/doc/qingting/"
cp -r deploy/prometheus deploy/grafana "$work/usr/share/doc/qingting/deploy/"
install -D -m 644 -t "$work/usr/share/doc/qingting/deploy/cluster" deploy/cluster/kamailio.cfg
install -m 755 deploy/debian/postinst deploy/debian/prerm deploy/debian/postrm "$work/DEBIAN/"

# What the programs are linked against, as Debian names and versions it; our own libraries are in the package.
mkdir -p "$out/shlibs/debian"
printf 'Source: qingting\n' >"$out/shlibs/debian/control"
depends=$(cd "$out/shlibs" && dpkg-shlibdeps -O --ignore-missing-info -l../root/usr/lib/qingting \
  -e../root/usr/lib/qingting/qingting -e../root/usr/lib/qingting/qingting-sherpa-worker | sed -n 's/^shlibs:Depends=//p')
[ -n "$depends" ] || fail "dpkg-shlibdeps does not say what the programs need"
cat >"$work/DEBIAN/control" <<CONTROL
Package: qingting
Version: $version
Architecture: $arch
Maintainer: Qingting <qingting@localhost>
Installed-Size: $(du -sk --exclude=DEBIAN "$work" | cut -f1)
Depends: $depends, ca-certificates
Recommends: chrony, fonts-wqy-zenhei
Suggests: postgresql-client, prometheus
Section: comm
Priority: optional
Description: voice server of a 12345 government hotline
 Answers calls on the operator's trunk, writes down what is said, fills tickets, and calls citizens back
 about closed ones.
CONTROL
dpkg-deb --root-owner-group --build "$work" "$out/qingting_${version}_$arch.deb"
rm -rf "$work" "$out/shlibs"
