#!/usr/bin/env bash
# Signalling alone: what a call costs our SIP stack (`telephony/sip/examples/answer.rs`), Kamailio's
# stateful replies and sipp's own answering side, one after the other, under one caller.
#
#   cargo build --release -p qingting-sip --example answer
#   benches/sip.sh
#
# Environment: RATE=1000 calls/s for SECONDS_EACH=60 s. The exit status is 1 when a call failed.
set -euo pipefail
# shellcheck source=benches/lib.sh
. "$(dirname "$0")/lib.sh"
RATE=${RATE:-1000} SECONDS_EACH=${SECONDS_EACH:-60}
need sipp
need kamailio
built examples/answer "cargo build --release -p qingting-sip --example answer"

calls=$((RATE * SECONDS_EACH)) bad=0
row() { printf '%-10s %8s %7s %9s %7s %7s %12s %10s\n' "$@"; }

# Calls the port of a process, with all its children, and adds a row.
measure() { # WHO PORT PID
  local before cpu status=0 failed each
  wait_for_port "$2" "$3" || fail "$1 does not listen: $(tail -5 "$1.out")"
  before=$(cpu_us_all "$3")
  rm -f ./*.csv
  sipp "127.0.0.1:$2" -sf "$here/signalling.xml" -s 12345 -i 127.0.0.1 -p 15170 -mi 127.0.0.1 -mp 40000 -r "$RATE" \
    -m "$calls" -l "$calls" -d 0 -nostdin -timeout $((SECONDS_EACH + 60))s -timeout_error \
    -trace_stat -stf stat.csv -fd 1s -trace_rtt -rtt_freq 1 >caller.out 2>&1 || status=$?
  kill -0 "$3" 2>/dev/null || fail "$1 has died: $(tail -20 "$1.out")"
  cpu=$(($(cpu_us_all "$3") - before))
  failed=$(column stat.csv 'FailedCall(C)')
  [ "$status" = 0 ] && [ "$failed" = 0 ] || bad=1
  each=$((cpu / calls))
  row "$1" "$(column stat.csv 'TotalCallCreated')" "$failed" "$(column stat.csv 'Retransmissions(C)')" \
    "$(percentile 50)" "$(percentile 99)" "$each us" "$each" >>table
  kill "$3" 2>/dev/null || fail "$1 has died: $(tail -5 "$1.out"; tail -25 caller.out | head -12)"
  wait "$3" 2>/dev/null || true
  started=()
}

begin() { # WHO COMMAND...: sets pid
  local who=$1
  shift
  "$@" >"$who.out" 2>&1 &
  pid=$!
  started+=("$pid")
}

for port in 15160 15161 15162 15170; do must_be_free "$port"; done
echo "$(machine); $RATE calls/s for $SECONDS_EACH s, UDP"
begin kamailio kamailio -f "$here/kamailio.cfg" -m 1024 -M 16 -DD -E -w "$work" -Y "$work" -P "$work/kamailio.pid"
measure kamailio 15161 "$pid"
begin sipp sipp -t u1 -sf "$here/answer.xml" -i 127.0.0.1 -p 15160 -mi 127.0.0.1 -mp 16000 -nostdin
measure sipp 15160 "$pid"
begin ours "$programs/examples/answer" 127.0.0.1:15162
measure ours 15162 "$pid"

peer=$(awk '$1 == "kamailio" {print $NF}' table)
row answerer calls failed repeated 'p50 ms' 'p99 ms' 'CPU/call' 'ratio'
while read -r who made failed repeated p50 p99 each unit us; do
  row "$who" "$made" "$failed" "$repeated" "$p50" "$p99" "$each $unit" "$(divided "$us" "$peer")"
done <table
echo "ratio: to Kamailio; at most 2 is wanted"
ours=$(awk '$1 == "ours" {print $NF}' table)
is_at_most "$ours" $((2 * peer)) || bad=1
exit "$bad"
