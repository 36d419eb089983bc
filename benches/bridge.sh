#!/usr/bin/env bash
# What calls of two cost that are mixed and recorded in stereo.
#
#   cargo build --release -p qingting-media --example load
#   benches/bridge.sh
#
# Environment: ROOMS=400 at once for SECONDS_EACH=30 s. The exit status is 1 when one takes more than 0.10 %
# of a core, or when 1 % of the media ticks are late by 5 ms or more.
set -euo pipefail
# shellcheck source=benches/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=benches/rooms.sh
. "$here/rooms.sh"
rooms bridge "${ROOMS:-400}" "${SECONDS_EACH:-30}" 0.10 5
