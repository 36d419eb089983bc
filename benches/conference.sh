#!/usr/bin/env bash
# What conferences of three cost that are mixed and recorded in stereo: 400 must fit on one core.
#
#   cargo build --release -p qingting-media --example load
#   benches/conference.sh
#
# Environment: ROOMS=150 at once for SECONDS_EACH=30 s. The exit status is 1 when one takes more than 0.25 %
# of a core, or when 1 % of the media ticks are late by 5 ms or more.
set -euo pipefail
# shellcheck source=benches/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=benches/rooms.sh
. "$here/rooms.sh"
rooms conference "${ROOMS:-150}" "${SECONDS_EACH:-30}" 0.25 5
