#!/usr/bin/env bash
# Installs the telephones that the end-to-end tests call with, or prints the one line that does it.
# Says nothing when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

need sipp sip-tester
need linphonec linphone-cli
# baresip-core has the program and its modules; the package baresip adds only GTK, X11 and FFmpeg.
need baresip baresip-core
need pkill procps
# Several servers behind a proxy.
need kamailio kamailio
if [ ! -e /usr/lib/x86_64-linux-gnu/kamailio/modules/websocket.so ] && [ ! -e /usr/lib/aarch64-linux-gnu/kamailio/modules/websocket.so ]; then
    need kamailio-websocket kamailio-websocket-modules
fi
# The seats' page with a real browser.
need chromium chromium
need chromedriver chromium-driver
# Sheets as PDF need a font with Chinese characters.
if ! compgen -G "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc" >/dev/null; then
    need noto-cjk fonts-noto-cjk
fi
# The store's other database.
if ! compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null; then
    need initdb postgresql
fi
install_missing "Test telephones"
