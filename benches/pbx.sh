#!/usr/bin/env bash
# A call from a citizen to somebody outside, talked through us and through RustPBX (restsend/rustpbx), one after the other under
# the same sipp on both ends, G.711 A-law, 50 packets/s each way. Both write a call record and record both parties; ours
# also writes legs, timeline and a ticket's draft, and seals the recording.
#
#   cargo install rustpbx --version 0.5.0 --locked --root target/rustpbx     # half an hour
#   cargo build --release -p qingting-server
#   benches/pbx.sh
#
# Environment: RUSTPBX=its program; RATE="20 50" calls/s of HOLD_S=8 s for SECONDS_EACH=20 s; CALLS=50 at once for MEDIA_S=30 s.
# RECORDS=false: RustPBX does not record. WHO=ours: one of them alone. It compares; the exit status is 1 when a call of ours failed.
set -euo pipefail
# shellcheck source=benches/lib.sh
. "$(dirname "$0")/lib.sh"
RUSTPBX=${RUSTPBX:-$(cd "$here/.." && pwd)/target/rustpbx/bin/rustpbx} RECORDS=${RECORDS:-true}
RATE=${RATE:-20 50} HOLD_S=${HOLD_S:-8} SECONDS_EACH=${SECONDS_EACH:-20} CALLS=${CALLS:-50} MEDIA_S=${MEDIA_S:-30}
OURS=15193 THEIRS=15192 OUTSIDE=15191 CALLER=15190
need sipp
built qingting "cargo build --release -p qingting-server"
WHO=${WHO:-rustpbx ours}
[ "$WHO" = ours ] || [ -x "$RUSTPBX" ] || fail "RustPBX is missing: cargo install rustpbx --version 0.5.0 --locked --root target/rustpbx"
for port in $OURS $THEIRS $OUTSIDE $CALLER; do must_be_free "$port"; done

# One second of 400 Hz: twenty A-law samples, over and over.
tone='\xd5\x8c\xb6\xa1\xa6\xa5\xa6\xa1\xb6\x8c\xd5\x0c\x36\x21\x26\x25\x26\x21\x36\x0c'
for _ in $(seq 400); do printf '%b' "$tone"; done >speech.al

start_ours() {
  mkdir -p ours "$PROMPTS"
  ln -s "$PROMPTS" ours/prompts
  # A citizen hears that the call is recorded before anybody outside is called.
  printf 'notice = "本次通话将被录音。"\ngreeting = "您好，请讲。"\n' >hotline
  { sed "s/5060/$OURS/" "$here/load.toml" | sed '/^\[hotline\]/r hotline'
    printf '[http]\nlisten = "127.0.0.1:15194"\n[data]\nmodels = "%s"\n' "$models"
    printf '[[trunks]]\nname = "外线"\nuri = "sip:127.0.0.1:%s"\ncaller_id = "12345"\n' "$OUTSIDE"
    printf '[[numbers]]\nnumber = "12345"\nname = "转接"\ntransfer = "13900139000"\n'
  } >ours/config.toml
  serve "$work/ours/config.toml" server.out server.log
  pid=$server_pid port=$OURS
}

start_rustpbx() {
  mkdir -p rustpbx
  cat >rustpbx/config.toml <<TOML
http_addr = "127.0.0.1:15195"
log_level = "warn"
database_url = "sqlite://$work/rustpbx/rustpbx.sqlite3"
rtp_start_port = 50000
rtp_end_port = 58000
[recording]
enabled = $RECORDS
auto_start = $RECORDS
type = "local"
path = "$work/rustpbx/recordings"
[proxy]
modules = ["acl", "auth", "presence", "registrar", "call"]
addr = "127.0.0.1"
udp_port = $THEIRS
media_proxy = "all"
acl_rules = ["allow all"]
[[proxy.user_backends]]
type = "memory"
users = []
[proxy.trunks.outside]
dest = "sip:127.0.0.1:$OUTSIDE"
direction = "outbound"
[proxy.trunks.citizens]
dest = "sip:127.0.0.1:$CALLER"
direction = "inbound"
inbound_hosts = ["127.0.0.1"]
[[proxy.routes]]
name = "all"
priority = 1
dest = "outside"
[proxy.routes.match]
"to.user" = ".*"
TOML
  (cd rustpbx && exec "$RUSTPBX" --conf config.toml) >rustpbx.out 2>&1 &
  pid=$! port=$THEIRS
  started+=("$pid")
  wait_for_port "$port" "$pid" || fail "RustPBX does not start: $(tail -5 rustpbx.out)"
  sleep 2
}

row() { printf '%-28s %-10s %7s %7s %9s %8s %8s %20s\n' "$@"; }

# Calls at one of them, with somebody outside who answers; adds a row.
measure() { # WHO WHAT CALLS RATE HOLD_MS
  local before cpu failed answered status=0 figure
  rm -f ./*.csv
  sipp -sf "$here/answer_media.xml" -i 127.0.0.1 -p "$OUTSIDE" -mi 127.0.0.1 -mp 20000 -nostdin -aa \
    -trace_stat -stf outside.csv -fd 1s >outside.out 2>&1 &
  local outside=$!
  started+=("$outside")
  wait_for_port "$OUTSIDE" "$outside" || fail "sipp does not answer: $(tail -5 outside.out)"
  before=$(cpu_us "$pid")
  sipp "127.0.0.1:$port" -sf "$here/media.xml" -s 12345 -i 127.0.0.1 -p "$CALLER" -mi 127.0.0.1 -mp 30000 -r "$4" \
    -m "$3" -l "$3" -d "$5" -nostdin -timeout $(($3 / $4 + $5 / 1000 + 40))s -timeout_error \
    -trace_stat -stf caller.csv -fd 1s -trace_rtt -rtt_freq 1 >caller.out 2>&1 || status=$?
  cpu=$(cpu_us "$pid") || fail "$1 has died"
  cpu=$((${cpu%.*} - ${before%.*}))
  sleep 2
  kill "$outside" 2>/dev/null || true
  wait "$outside" 2>/dev/null || true
  failed=$(($3 - $(column caller.csv 'SuccessfulCall(C)')))
  answered=$(column outside.csv 'IncomingCall(C)')
  if [ "$5" -ge 10000 ]; then
    figure="$(divided $((cpu / 10)) $(($3 * $5)) 3) % of a core"
  else
    figure="$((cpu / $3)) us/call"
  fi
  row "$2" "$1" "$3" "$failed" "$answered" "$(percentile 50)" "$(percentile 99)" "$figure" >>table
  [ "$1" != ours ] || { [ "$status" = 0 ] && [ "$failed" = 0 ]; } || bad=1
}

bad=0
for who in $WHO; do
  "start_$who"
  for rate in $RATE; do
    measure "$who" "$rate calls/s of $HOLD_S s" $((rate * SECONDS_EACH)) "$rate" $((HOLD_S * 1000))
  done
  measure "$who" "$CALLS at once for $MEDIA_S s" "$CALLS" 25 $((MEDIA_S * 1000))
  kill "$pid" 2>/dev/null || true
  for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  kill -9 "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  started=()
done
echo "$(machine); calls bridged and recorded"
row load who calls failed outside 'p50 ms' 'p99 ms' CPU
cat table
exit "$bad"
