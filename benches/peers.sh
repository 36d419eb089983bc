#!/usr/bin/env bash
# A call of two side by side with its peers, one after the other on this machine under the same telephones
# (`telephony/media/examples/load.rs`: G.711 A-law, 50 packets/s each way):
#   rtpengine  relays in user space: neither decodes, mixes nor records (lower bound)
#   ours       decodes, mixes and records in stereo
# and then, by `sip.sh`, what the signalling of a call costs us, Kamailio (stateful replies: lower bound) and sipp.
#
#   apt-get install -y --no-install-recommends rtpengine-daemon
#   cargo build --release -p qingting-media --example load && cargo build --release -p qingting-sip --example answer
#   benches/peers.sh
#
# Environment: ROOMS=200 at once for SECONDS_EACH=30 s; RATE=200 calls/s. It compares, and sets no limit of its own.
set -euo pipefail
# shellcheck source=benches/lib.sh
. "$(dirname "$0")/lib.sh"
ROOMS=${ROOMS:-200} SECONDS_EACH=${SECONDS_EACH:-30} RATE=${RATE:-200} CONTROL=22222
command -v rtpengine >/dev/null || fail "rtpengine is missing: apt-get install -y --no-install-recommends rtpengine-daemon"
built examples/load "cargo build --release -p qingting-media --example load"
must_be_free "$CONTROL"

echo "$(machine); $ROOMS calls of two for $SECONDS_EACH s"
row() { printf '%-34s %20s %16s %16s %8s\n' "$@"; }

rtpengine --foreground --log-stderr --log-level=3 --table=-1 --interface=127.0.0.1 --listen-ng="127.0.0.1:$CONTROL" \
  --port-min=40000 --port-max=$((40000 + 8 * ROOMS)) --timeout=3600 --pidfile="$work/rtpengine.pid" >rtpengine.log 2>&1 &
relay=$!
started+=("$relay")
wait_for_port "$CONTROL" "$relay" || fail "rtpengine does not start: $(tail -3 rtpengine.log)"
coproc telephones { exec "$programs/examples/load" telephones; }
# shellcheck disable=SC2154  # set by coproc
heard=${telephones[0]} told=${telephones[1]}
read -r port <&"$heard"
empty=$(awk '/^VmRSS/ {print $2}' "/proc/$relay/status")
"$here/relay.py" "$CONTROL" "$ROOMS" "$port" >ports || fail "no calls at rtpengine"
cat ports >&"$told"
echo >&"$told"
sleep 3
before=$(cpu_us "$relay")
sleep "$SECONDS_EACH"
after=$(cpu_us "$relay")
share=$(awk -v us=$((${after%.*} - ${before%.*})) -v s="$SECONDS_EACH" -v rooms="$ROOMS" 'BEGIN {printf "%.4f", us/1e4/s/rooms}')
memory=$(awk -v empty="$empty" -v rooms="$ROOMS" '/^VmRSS/ {printf "%.1f", ($2-empty)/rooms}' "/proc/$relay/status")
exec {told}>&-
read -r counts <&"$heard"
kill "$relay"
wait "$relay" 2>/dev/null || true
started=()
echo "rtpengine's telephones: $counts"

"$programs/examples/load" bridge "$ROOMS" "$SECONDS_EACH" >ours
sed -n 's/^telephones/our telephones/p' ours
ours=$(awk '/share per room/ {print $(NF-1)}' ours)
row media 'a core per call, %' 'KiB per call' 'calls on a core' ratio
row 'rtpengine, relays' "$share" "$memory" "$(divided 100 "$share" 0)" 1.00
row 'ours, mixes and records' "$ours" "$(awk '/^memory per room/ {print $(NF-1)}' ours)" "$(divided 100 "$ours" 0)" "$(divided "$ours" "$share")"
echo
RATE=$RATE SECONDS_EACH=$SECONDS_EACH "$here/sip.sh"
