#!/usr/bin/env bash
# A burst of four times the new calls that the server is configured to take, for ten seconds, while
# telephones talk and are recorded: the excess must get 503 with Retry-After, the running calls must not
# be touched, and two seconds later calls must be taken again. Once with ACKs, once without any.
#
#   cargo build --release -p qingting-server
#   benches/burst.sh
#
# Environment: LIMIT=50 new calls/s (sip.calls_per_second_max), TALKING=20 calls in progress,
# BURST_S=10. Starts the server itself, in a folder that is removed. PROMPTS names a folder of spoken
# prompts; without it the server speaks them first. The exit status is 1 when a limit is broken.
set -euo pipefail
# shellcheck source=benches/lib.sh
. "$(dirname "$0")/lib.sh"
LIMIT=${LIMIT:-50} TALKING=${TALKING:-20} BURST_S=${BURST_S:-10}
need sipp
built qingting "cargo build --release -p qingting-server"

bad=0
start_server() {
  rm -rf server
  mkdir server
  mkdir -p "$PROMPTS"
  ln -s "$PROMPTS" server/prompts
  {
    sed -e "s/5060/15063/; s/^calls_per_second_max.*/calls_per_second_max = $LIMIT/" "$here/load.toml"
    printf 'notice = "本次通话将被录音。"\ngreeting = "您好，请讲。"\n' >hotline
    printf '[http]\nlisten = "127.0.0.1:15080"\n[data]\nmodels = "%s"\n' "$models"
  } | sed '/^\[hotline\]/r hotline' >server/config.toml
  serve "$work/server/config.toml" server.out server.log
  password=$(password_of server.out)
}

metric() { curl -fsS --user "admin:$password" http://127.0.0.1:15080/metrics | awk -v name="$1" '$1 == name {print $2}'; }

talk() { # SECONDS
  local number
  talkers=()
  for number in $(seq "$TALKING"); do
    "$programs/qingting" call sip:12345@127.0.0.1:15063 --linger "$1" --json >"talk-$number.json" 2>"talk-$number.log" &
    talkers+=($!)
  done
  started+=("${talkers[@]}")
  for _ in $(seq 200); do
    [ "$(metric qingting_calls_active)" -lt "$TALKING" ] || return 0
    read -rt 0.1 <> <(:) || true
  done
  fail "only $(metric qingting_calls_active) of $TALKING calls are in progress"
}

# A field of all talkers' reports, added.
talked() { cat talk-*.json | awk -F'[:,]' -v name="\"$1\"" '$1 ~ name {sum += $2} END {print sum+0}'; }

# Calls after the burst: how many of a hundred fail, at half the limit.
after() {
  sipp 127.0.0.1:15063 -sf "$here/signalling.xml" -s 12345 -i 127.0.0.1 -p 15072 -r $((LIMIT / 2)) -m 100 -l 100 \
    -d 0 -nostdin -timeout 60s -timeout_error -trace_stat -stf after.csv -fd 1s >after.out 2>&1 || true
  echo $((100 - $(column after.csv 'SuccessfulCall(C)')))
}

burst() { # SCENARIO WHAT
  start_server
  talk $((BURST_S + 8))
  local rate=$((4 * LIMIT)) before refused failed taken lost heard others unread pid
  before=$(metric qingting_sip_calls_rejected_total)
  rm -f flood.csv
  sipp 127.0.0.1:15063 -sf "$here/$1.xml" -s 12345 -i 127.0.0.1 -p 15071 -r "$rate" -m $((rate * BURST_S)) \
    -l $((rate * BURST_S)) -d 0 -nostdin -timeout $((BURST_S + 30))s -timeout_error \
    -trace_stat -stf flood.csv -fd 1s -trace_err -error_file flood.log >flood.out 2>&1 || true
  unread=$(dropped "$server_pid")
  sleep 2
  failed=$(after)
  others=0
  for pid in "${talkers[@]}"; do wait "$pid" || others=$((others + 1)); done
  refused=$(($(metric qingting_sip_calls_rejected_total) - before))
  taken=$(column flood.csv 'GenericCounter1(C)')
  lost=$(talked packets_lost) heard=$(talked packets_received)
  echo "$2: $rate calls/s for $BURST_S s, $LIMIT new calls/s allowed; $taken taken, $(column flood.csv 'GenericCounter2(C)') told 503 with Retry-After, $refused refused by the server's count"
  printf '%-52s %10s %10s\n' '' measured 'at most'
  check "calls of the burst with neither 200 nor 503" "$(column flood.csv 'FailedCall(C)')" 0
  check "calls taken beyond limit and burst size" "$taken" $((LIMIT * (BURST_S + 2)))
  check "calls in progress that ended badly" "$others" 0
  check "their packets lost, sent by the server, %" "$(divided $((100 * lost)) "$((heard + lost))" 3)" 1
  check "datagrams that the server did not read" "$unread" 0
  check "calls failed of 100, two seconds later" "$failed" 1
  kill "$server_pid"
  wait "$server_pid" 2>/dev/null || true
  started=()
}

for port in 15063 15071 15072; do must_be_free "$port"; done
machine
burst flood "the burst"
burst flood_no_ack "the burst without ACKs"
exit "$bad"
