#!/usr/bin/env bash
# Two servers behind Kamailio on one PostgreSQL (docs/cluster.md) against one of them, all on this machine:
#   1. RATE calls/s on one server behind the edge, then 2 × RATE on two: no call may fail, and a call may cost
#      1.15 of what it costs on one;
#   2. RATE calls/s on two, which call the citizens of a campaign as well, and one is killed in mid-load: from five
#      seconds on no call may fail, the calls that talk at the other one lose nothing, and every citizen is called
#      once at most;
#   3. the same while both are restarted one after the other (SIGTERM, start): no call may fail at all, no attempt
#      to reach a citizen is lost.
#
#   cargo build --release -p qingting-server
#   benches/cluster.sh
#
# Environment: RATE=60 calls/s, SECONDS_EACH=30 s, TALKING=10 calls in progress during the second and third part,
# CITIZENS=60 of each campaign. Starts everything itself, in a folder that is removed. PROMPTS names a folder of spoken
# prompts; without it the first server speaks them. The exit status is 1 when a limit is broken.
set -euo pipefail
# shellcheck source=benches/lib.sh
. "$(dirname "$0")/lib.sh"
RATE=${RATE:-60} SECONDS_EACH=${SECONDS_EACH:-30} TALKING=${TALKING:-10} CITIZENS=${CITIZENS:-60}
EDGE=127.0.0.25 TRUNK=127.0.0.26 AGAIN_S=5
need sipp
need kamailio
need psql
built qingting "cargo build --release -p qingting-server"
# shellcheck source=benches/campaign.sh
. "$here/campaign.sh"
bad=0
chmod 711 "$work"
coproc postgres { exec "$here/../scripts/postgres-for-tests.sh"; }
# It ends when this script does, and closes its input.
echo hotline >&"${postgres[1]}"
read -r url <&"${postgres[0]}"
case $url in postgres://*) ;; *) fail "$url" ;; esac
(umask 077; printf '%s\n' "$url" >database.url; head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >cluster.secret)
mkdir -p "$PROMPTS" run
for n in 1 2; do
  mkdir "server-$n"
  ln -s "$PROMPTS" "server-$n/prompts"
  {
    sed -e "s/127.0.0.1:5060/127.0.0.2$n:5060/; s/^trusted_peers.*/&\nproxies = [\"$EDGE\"]/" "$here/load.toml"
    printf 'notice = "本次通话将被录音。"\ngreeting = "您好，请讲。"\n' >hotline
    printf '[http]\nlisten = "127.0.0.2%s:15080"\n[data]\nmodels = "%s"\ndatabase_url_file = "%s/database.url"\n' "$n" "$models" "$work"
    printf '[cluster]\nhttp = "127.0.0.2%s:15080"\nsecret_file = "%s/cluster.secret"\n' "$n" "$work"
    printf '[media]\nport_first = %s0000\nport_last = %s9999\n' "$n" "$n"
    campaign_settings
  } | sed '/^\[hotline\]/r hotline' >"server-$n/config.toml"
done

edge() { # SERVERS: Kamailio before so many
  [ -z "${edge_pid:-}" ] || { kill "$edge_pid"; wait "$edge_pid" 2>/dev/null || true; }
  for n in $(seq "$1"); do echo "1 sip:127.0.0.2$n:5060"; done >servers.list
  sed -e "s/!EDGE_IP!127.0.0.1!/!EDGE_IP!$EDGE!/" -e "s,!/etc/kamailio/qingting-servers.list!,!$work/servers.list!," \
    -e "s,!/run/kamailio!,!$work/run!," "$here/../deploy/cluster/kamailio.cfg" >kamailio.cfg
  kamailio -m 512 -DD -E -f "$work/kamailio.cfg" -P "$work/kamailio.pid" -Y "$work/run" >kamailio.log 2>&1 &
  edge_pid=$!
  started+=("$edge_pid")
  wait_for_port 5060 "$edge_pid" || fail "Kamailio does not start: $(tail -5 kamailio.log)"
  # It has asked each server how it does.
  sleep 3
}

# The process that all others of the database are children of.
postgres_us() { cpu_us_all "$(head -n 1 "${url#*host=}/data/postmaster.pid")"; }

load() { # RATE SECONDS PORT
  sipp "$EDGE:5060" -sf "$here/signalling.xml" -s 12345 -i 127.0.0.1 -p "$3" -mi 127.0.0.1 -mp 40000 -r "$1" \
    -m $(($1 * $2)) -l $(($1 * $2)) -d 0 -nostdin -timeout $(($2 + 60))s -timeout_error \
    -trace_stat -stf stat.csv -fd 1s -trace_rtt -rtt_freq 1 -trace_err -error_file errors.log >sipp.out 2>&1 || true
}

row() { printf '%-26s %7s %7s %9s %7s %7s %14s %14s %14s\n' "$@"; }

cost() { # SERVERS: adds a row, sets each
  local rate=$((RATE * $1)) calls servers edge_before base pids=("$server_1")
  calls=$((rate * SECONDS_EACH))
  [ "$1" = 1 ] || pids+=("$server_2")
  rm -f ./*.csv
  servers=0
  for pid in "${pids[@]}"; do base=$(cpu_us "$pid"); servers=$((servers - ${base%.*})); done
  edge_before=$(cpu_us_all "$edge_pid") base=$(postgres_us)
  load "$rate" "$SECONDS_EACH" 15270
  # Books are closed a moment after the calls.
  sleep 2
  local pg=$(($(postgres_us) - base)) edge_us=$(($(cpu_us_all "$edge_pid") - edge_before)) us
  for pid in "${pids[@]}"; do us=$(cpu_us "$pid"); servers=$((servers + ${us%.*})); done
  each=$((servers / calls))
  check "failed of $calls calls, $1 server(s), $rate calls/s" $((calls - $(column stat.csv 'SuccessfulCall(C)'))) 0 >>checks
  row "$1 server(s), $rate calls/s" "$calls" "$(column stat.csv 'FailedCall(C)')" "$(column stat.csv 'Retransmissions(C)')" \
    "$(percentile 50)" "$(percentile 99)" "$each us" "$((edge_us / calls)) us" "$((pg / calls)) us" >>table
}

must_be_free 15270
echo "$(machine); all of it on this machine: caller, edge, servers, database"
serve "$work/server-1/config.toml" server-1.out server-1.log
server_1=$server_pid
edge 1
cost 1
one=$each
serve "$work/server-2/config.toml" server-2.out server-2.log
server_2=$server_pid
edge 2
cost 2
row load calls failed repeated 'p50 ms' 'p99 ms' 'servers/call' 'edge/call' 'database/call'
cat table checks
check "cost of a call on two servers to that on one" "$(divided "$each" "$one")" 1.15

password=$(password_of server-1.out)
active() { curl -fsS --user "admin:$password" "http://127.0.0.2$1:15080/metrics" | awk '$1 == "qingting_calls_active" {print $2}'; }

# Calls in progress: the edge spreads them; each report is kept with the server that carried it.
talk() { # SECONDS: sets talkers and carried, by number
  local number before
  talkers=() carried=()
  for number in $(seq "$TALKING"); do
    before=$(active 1)
    "$programs/qingting" call "sip:12345@$EDGE" --linger "$1" --json >"talk-$number.json" 2>"talk-$number.log" &
    talkers[number]=$!
    started+=("$!")
    carried[number]=2
    for _ in $(seq 30); do
      [ "$(active 1)" -le "$before" ] || { carried[number]=1; break; }
      read -rt 0.05 <> <(:) || true
    done
  done
}
# Of these calls: how many ended badly, and their packets.
talked() { # NUMBERS: sets others, lost, heard
  local number
  others=0 lost=0 heard=0
  for number in "$@"; do
    wait "${talkers[number]}" || others=$((others + 1))
    lost=$((lost + $(awk -F'[:,]' '$1 ~ "\"packets_lost\"" {print $2+0}' "talk-$number.json")))
    heard=$((heard + $(awk -F'[:,]' '$1 ~ "\"packets_received\"" {print $2+0}' "talk-$number.json")))
  done
}

citizens_answer
talk $((SECONDS_EACH + 15))
rm -f ./*.csv errors.log
load "$RATE" "$SECONDS_EACH" 15270 &
loading=$!
campaign_begins dies
sleep $((SECONDS_EACH / 3))
disown "$server_2"
kill -9 "$server_2"
killed=$(date +%s.%N)
wait "$loading"
# sipp's statistics have a line a second with what failed by then.
late=$(awk -F';' -v killed="$killed" -v again="$AGAIN_S" '
  NR==1 {for (i=1; i<=NF; i++) at[$i]=i; next}
  {split($at["CurrentTime"], word, "\t"); now=word[3]+0; failed=$at["FailedCall(C)"]+0;
   if (now < killed + again) by=failed; last=failed}
  END {print last-by}' stat.csv)
early=$(($(column stat.csv 'FailedCall(C)') - late))
stays=()
for number in $(seq "$TALKING"); do [ "${carried[number]}" = 2 ] || stays+=("$number"); done
talked "${stays[@]}"
campaign_ends dies
echo "killed one of two at $RATE calls/s: $early calls failed in the first $AGAIN_S s; ${#stays[@]} of $TALKING calls in progress were at the other; $unknown of $CITIZENS attempts were lost with it"
check "calls failed later than $AGAIN_S s after the death" "$late" 0
check "calls in progress at the other server that ended badly" "$others" 0
check "their packets lost, of $heard" "$lost" 0
check "citizens called twice" "$twice" 0
check "attempts that are neither made nor lost with the dead server" "$open" 0

# Upgrading: one server after the other, each as long as its calls last.
serve "$work/server-2/config.toml" server-2.out server-2.log
server_2=$server_pid
sleep 3
talk $((SECONDS_EACH / 2))
rm -f ./*.csv errors.log
long=$((SECONDS_EACH * 2))
load "$RATE" "$long" 15270 &
loading=$!
campaign_begins upgrade
sleep 3
restarts=""
for n in 1 2; do
  [ "$n" = 1 ] && ending=$server_1 || ending=$server_2
  kill -TERM "$ending"
  told=$(date +%s.%N)
  wait "$ending" || fail "server $n did not end well: $(tail -3 "server-$n.log")"
  ended=$(date +%s.%N)
  serve "$work/server-$n/config.toml" "server-$n.out" "server-$n.log"
  restarts+=" $n: ended after $(awk -v a="$told" -v b="$ended" 'BEGIN {printf "%.1f", b-a}') s, back after $(awk -v a="$ended" -v b="$(date +%s.%N)" 'BEGIN {printf "%.1f", b-a}') s;"
  # It knows the other one, and the edge knows it.
  sleep 3
done
kill -0 "$loading" 2>/dev/null || fail "the load was over before both servers were back: SECONDS_EACH=$SECONDS_EACH is too short"
wait "$loading"
talked $(seq "$TALKING")
campaign_ends upgrade
echo "restarted both at $RATE calls/s, $((RATE * long)) calls, p99 $(percentile 99) ms;$restarts"
check "calls failed while both were restarted" $((RATE * long - $(column stat.csv 'SuccessfulCall(C)'))) 0
check "calls in progress that ended badly, of $TALKING" "$others" 0
check "their packets lost, of $heard" "$lost" 0
check "citizens called twice" "$twice" 0
check "attempts lost or not made, of $CITIZENS" $((unknown + open)) 0
exit "$bad"
