#!/usr/bin/env bash
# Attacks a server of its own with what attackers use, while a citizen and a seat talk in tones, are recorded, and
# others call; says for each attack whether the server did what SECURITY.md says. About eight minutes; nothing leaves
# this machine.
#
#   cargo build --release -p qingting-server
#   scripts/attack.sh [quiet|scan|crack|rtp|flood|spoof|slow|idle|toll ...]
#
# Needs sipp, python3, curl, openssl and SIPVicious (apt-get install sipvicious). Environment: QINGTING, the program;
# PROMPTS, a folder of spoken prompts, else the server speaks them first; FLOOD_S=8; IDLE=10000;
# KEEP, a folder for the server's log. Verdicts: held; BROKEN, and then the exit status is 1. docs/attacks.md explains
# the table.
set -euo pipefail
# shellcheck source=benches/lib.sh
. "$(dirname "$0")/../benches/lib.sh"
QINGTING=${QINGTING:-$programs/qingting} PROMPTS=${PROMPTS:-$programs/test-prompts}
KEEP=${KEEP:-} FLOOD_S=${FLOOD_S:-8} IDLE=${IDLE:-10000}
attacks=$here/attack scenarios=$here/../benches
models=${QINGTING_HOME:-${XDG_DATA_HOME:-$HOME/.local/share}/qingting}/models
sip=25060 tls=25061 http=22345 trunk=25064
stranger=127.0.0.66

need sipp
need python3
need curl
need openssl
[ -x "$QINGTING" ] || fail "$QINGTING is not built: cargo build --release -p qingting-server"
[ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge $((IDLE + 2000)) ] || fail "ulimit -Hn is less than IDLE + 2000"
ulimit -n "$(ulimit -Hn)"
for name in svmap svwar svcrack; do
  command -v "$name" >/dev/null || fail "$name is missing: apt-get install sipvicious"
done

# Passwords of this run; none of them may be in a log.
secret() { openssl rand -hex 8; }
seat_password=$(secret) other_password=$(secret) trunk_password=$(secret)
bad=0 mode='' ahead=-10
nice -n "$ahead" true 2>/dev/null || ahead=0
: >table

configuration() { # STRANGERS MD5_ONLY
  cat <<TOML
[sip]
listen_udp = ["127.0.0.1:$sip"]
listen_tcp = ["127.0.0.1:$sip"]
listen_tls = ["127.0.0.1:$tls"]
tls_certificate = "tls.pem"
tls_key = "tls.key"
strangers = $1
md5_only = $2
[media]
port_first = 26000
port_last = 29999
inactivity_s = 5
[hotline]
notice = "本次通话将被录音。"
greeting = "您好，请讲。"
ring_ms = 0
[seats]
wrap_up_s = 0
[asr]
enabled = false
[http]
listen = "127.0.0.1:$http"
[data]
models = "$models"
[log]
level = "info"
[[trunks]]
name = "trunk"
uri = "sip:127.0.0.2:$trunk"
peers = ["127.0.0.2"]
user = "hotline"
password = "$trunk_password"
caller_id = "12345"
[[numbers]]
number = "12345"
name = "hotline"
queue = "all"
[[numbers]]
number = "12300"
name = "machine"
[[queues]]
name = "all"
skill = "all"
call_back_s = 0
TOML
}

api() { curl -fsS --user "admin:$admin_password" --max-time 30 --retry 5 --retry-all-errors "http://127.0.0.1:$http$1" "${@:2}"; }
# A counter, of all its labels together.
metric() { api /metrics | awk -v name="qingting_$1" '{split($1, of, "{")} of[1] == name {sum += $2} END {print int(sum)}'; }

seat() { # EXTENSION SKILLS PASSWORD
  api /api/v1/seats -H 'Content-Type: application/json' \
    -d '{"extension": "'"$1"'", "name": "seat", "skills": '"$2"', "password": "'"$3"'"}' >/dev/null
}

stop_server() {
  [ -n "$mode" ] || return 0
  [ -z "$KEEP" ] || cp server.log "$KEEP/$mode.log"
  kill "$server_pid" "$trunk_pid"
  wait "$server_pid" "$trunk_pid" 2>/dev/null || true
  started=() mode=''
}

# One that takes strangers' calls (open), or only the trunk's and the seats' (closed), or those with MD5 alone (old).
serve() { # open|closed|old
  [ "$mode" != "$1" ] || return 0
  stop_server
  rm -rf server
  mkdir -p server "$PROMPTS"
  ln -s "$PROMPTS" server/prompts
  configuration "$([ "$1" = open ] && echo true || echo false)" "$([ "$1" = old ] && echo true || echo false)" >server/config.toml
  chmod 600 server/config.toml
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1 \
    -keyout server/tls.key -out server/tls.pem 2>/dev/null
  chmod 600 server/tls.key
  : >dialled
  python3 "$attacks/trunk.py" dialled &
  trunk_pid=$!
  "$QINGTING" serve --config "$work/server/config.toml" >server.out 2>server.log &
  server_pid=$!
  started=("$server_pid" "$trunk_pid")
  for _ in $(seq 1200); do
    ! grep -q 'Stop with Ctrl-C' server.out || break
    kill -0 "$server_pid" 2>/dev/null || fail "the server does not start: $(tail -5 server.log)"
    read -rt 0.1 <> <(:) || true
  done
  admin_password=$(awk '$1 == "Password" {print $2; exit}' server.out)
  seat 801 '{"all": 1}' "$seat_password"
  seat 802 '{}' "$other_password"
  mode=$1
}

rss_mib() { awk '/^VmRSS/ {print int($2/1024)}' "/proc/$server_pid/status"; }
files() { find "/proc/$server_pid/fd" -mindepth 1 2>/dev/null | wc -l; }

# The calls that must not suffer: citizen and seat, who talk; and from the trunk two short ones a second.
good_calls_begin() {
  rm -rf good
  mkdir good
  # An attacker has a machine of its own; here it must not hold up those who measure.
  nice -n "$ahead" python3 "$attacks/talk.py" "$seat_password" good/live good/report 2>good/talk.log &
  talk_pid=$!
  (
    cd good
    exec sipp "127.0.0.1:$sip" -sf "$scenarios/signalling.xml" -s 12300 -i 127.0.0.2 -p 25070 -r 2 -m 100000 -l 100 -d 0 -deadcall_wait 0 \
      -nostdin -trace_stat -stf stat.csv -fd 1s -trace_rtt -rtt_freq 1 >sipp.out 2>&1
  ) &
  sipp_pid=$!
  started+=("$talk_pid" "$sipp_pid")
  for _ in $(seq 400); do
    if [ -s good/live ]; then
      talk_id=$(api '/api/v1/calls?limit=50' | python3 -c 'import json, sys
print(next(it["id"] for it in json.load(sys.stdin)["calls"] if it["called"] == "12345"))')
      return 0
    fi
    kill -0 "$talk_pid" 2>/dev/null || fail "the good call does not begin: $(cat good/talk.log)"
    read -rt 0.1 <> <(:) || true
  done
  fail "the good call does not begin"
}

field() { python3 -c 'import json, sys; it = json.load(open(sys.argv[1]))
for key in sys.argv[2].split("."): it = it[key]
print(it)' "$1" "$2"; }

# What became of them, as one cell; sets good=held or BROKEN.
good_calls_end() {
  local times lost=0 gaps evil windows ok failed
  kill "$talk_pid" 2>/dev/null || true
  wait "$talk_pid" 2>/dev/null || true
  # Calls that have begun are ended.
  kill -USR1 "$sipp_pid" 2>/dev/null || true
  for _ in $(seq 200); do
    kill -0 "$sipp_pid" 2>/dev/null || break
    read -rt 0.1 <> <(:) || true
  done
  kill "$sipp_pid" 2>/dev/null || true
  wait "$sipp_pid" 2>/dev/null || true
  good=held
  ok=$(column good/stat.csv 'SuccessfulCall(C)') failed=$(column good/stat.csv 'FailedCall(C)')
  unread=$(dropped "$server_pid")
  times=$(cd good && echo "$(percentile 50)/$(percentile 99) ms")
  said="$ok of $((ok + failed)) calls answered, p50/p99 $times, $((unread - unread_before)) datagrams not read"
  short=held
  [ "$failed" = 0 ] && [ "$ok" -gt 0 ] || short=BROKEN
  [ -s good/report ] || { good=BROKEN said="$said; the talk was lost: $(tail -1 good/talk.log)"; return 0; }
  for who in citizen seat; do
    lost=$((lost + $(field good/report $who.lost)))
    [ "$(field good/report $who.attacker)" = 0.0 ] || good=BROKEN said="$said; the $who HEARS THE ATTACKER"
    is_at_most 0.98 "$(field good/report $who.hears)" || good=BROKEN
  done
  [ "$(field good/report cut)" = False ] || good=BROKEN said="$said; the talk was CUT"
  [ "$lost" = 0 ] || good=BROKEN
  for _ in $(seq 50); do
    [ "$(api "/api/v1/calls/$talk_id" | python3 -c 'import json, sys; print(json.load(sys.stdin)["state"])')" != ended ] || break
    read -rt 0.2 <> <(:) || true
  done
  gaps=- evil=- windows=0
  if api "/api/v1/calls/$talk_id/recording" -o good/call.wav; then
    read -r gaps evil windows < <(python3 "$attacks/heard.py" good/call.wav "$(field good/report seconds)")
  fi
  [ "$evil" = 0 ] && [ "$windows" -gt 0 ] || good=BROKEN
  [ "$gaps" != - ] && is_at_most "$gaps" $((windows / 50)) || short=BROKEN
  said="$said; talk of $(field good/report seconds) s: $lost packets lost, heard $(field good/report citizen.hears)/$(field good/report seat.hears); recording: $gaps of $windows windows without its tone, $evil with the attacker's"
}

# Numbers of callers, passwords and guesses that the log has; errors.
log_check() {
  local words
  words=$(grep -cwE "1[3-9][0-9]{9}|$seat_password|$trunk_password|$admin_password|[0-9]*2025550100|guess-[0-9]+|wrong-password" server.log || true)
  discreet=$words
  errors=$(grep -E ' ERROR |panicked' server.log | grep -vc 'a recording is incomplete' || true)
  incomplete=$(grep -c 'a recording is incomplete' server.log || true)
  [ "$incomplete" = 0 ] || short=BROKEN
}

begin() { # NAME MODE
  serve "$2"
  attack=$1 began=$SECONDS
  rss_before=$(rss_mib) files_before=$(files)
  lines_before=$(wc -l <server.log) unread_before=$(dropped "$server_pid")
  printf '%s: ' "$1, $2" >&2
  good_calls_begin
}

end() {
  local rss_during rss_after files_after verdict gone
  rss_during=$(rss_mib)
  good_calls_end
  for _ in $(seq 240); do
    [ "$(metric calls_active)" != 0 ] || break
    read -rt 0.25 <> <(:) || true
  done
  # The last ports and connections are given back.
  gone=$SECONDS
  for _ in $(seq 80); do
    [ $(($(files) - files_before)) -gt 8 ] || break
    read -rt 0.5 <> <(:) || true
  done
  gone=$((SECONDS - gone))
  [ "$gone" -lt 40 ] || ls -l "/proc/$server_pid/fd" >&2
  rss_after=$(rss_mib) files_after=$(files)
  log_check
  verdict=$good
  [ "$short" = held ] || verdict=BROKEN
  [ "$errors" = 0 ] && [ "$discreet" = 0 ] && [ $((files_after - files_before)) -le 8 ] &&
    [ $((rss_after - rss_before)) -le 100 ] || verdict=BROKEN
  printf '%s\t%s\t%s\t%s\t%s\n' "$attack: good calls and the server, $mode" "sipp, talk.py" "$said" \
    "memory $rss_before, $rss_during, $rss_after MiB; files $files_before, $files_after after $gone s; log: $(($(wc -l <server.log) - lines_before)) lines, $errors errors, $incomplete recordings incomplete, $discreet with a number or password" \
    "$verdict" >>table
  echo "$((SECONDS - began)) s" >&2
}
run() { python3 "$attacks/$1.py" "${@:2}" >>table || printf '%s\t%s\t\t%s\t%s\n' "$1" "$1.py" 'it failed' BROKEN >>table; }
line() { printf '%s\t%s\t%s\t%s\t%s\n' "$@" >>table; }
since() { echo $(($(metric "$1") - $2)); }

quiet() {
  begin quiet closed
  sleep 6
  end
}

# What svwar says of seats and of nobody: `EXTENSION KIND` lines.
told_by_svwar() { awk -F'|' '$2 ~ /^ [0-9][0-9][0-9] +$/ {gsub(/ /, ""); print $2, $3}' svwar.out; }

scan() { # MODE
  local how seats others verdict found
  begin scan "$1"
  svmap -b "$stranger" -p "$sip" 127.0.0.1 >svmap.out 2>&1 || true
  line "map, $1" svmap "OPTIONS" "$(grep -c "127.0.0.1:$sip" svmap.out || true) server, named $(grep -o 'Qingting/[0-9.]*' svmap.out | head -1)" held
  for how in INVITE REGISTER OPTIONS; do
    # Slower than the limits, so that what is told is heard. Told to stop, it prints what it found.
    timeout -s INT 8 svwar -b "$stranger" -p "$sip" -m "$how" -e 795-805 -t 0.2 --force 127.0.0.1 >svwar.out 2>&1 || true
    seats=$(told_by_svwar | awk '/^80[12] / {print $2}' | sort | uniq -c | xargs)
    others=$(told_by_svwar | awk '!/^80[12] / {print $2}' | sort | uniq -c | xargs)
    verdict=held found="seats: ${seats:-none}; others: ${others:-none}"
    # Either all alike, or none at all.
    [ "${seats#* }" = "${others#* }" ] || verdict=BROKEN
    line "extensions by $how, $1" svwar "11 names, two of them seats'" "$found" "$verdict"
  done
  run scan "$1"
  end
}

crack() {
  local failed locked
  begin crack old
  # Whether the tool can succeed at all: the right password is the third.
  printf '%s\n' aaaa bbbb "$seat_password" >few
  svcrack -b 127.0.0.67 -p "$sip" -u 801 -d few 127.0.0.1 >svcrack.out 2>&1 || true
  line "control: the right password is the third" svcrack "3 passwords" "$(grep -q "$seat_password" svcrack.out && echo found || echo 'not found')" \
    "$(grep -q "$seat_password" svcrack.out && echo held || echo BROKEN)"
  failed=$(metric sip_authentications_failed_total) locked=$(metric sip_authentications_locked_total)
  { seq -f 'guess-%g' 150; echo "$seat_password"; seq -f 'guess-%g' 151 200; } >many
  svcrack -b "$stranger" -p "$sip" -u 801 -d many --maximumtime=60 127.0.0.1 >svcrack.out 2>&1 || true
  line "the right password is the 151st of 201" svcrack "801, 201 passwords" \
    "$(grep -q "$seat_password" svcrack.out && echo FOUND || echo 'not found'); $(since sip_authentications_failed_total "$failed") looked at, $(since sip_authentications_locked_total "$locked") not" \
    "$(grep -q "$seat_password" svcrack.out && echo BROKEN || echo held)"
  run crack "$seat_password"
  end
}

rtp() {
  begin rtp closed
  run rtp good/live 3
  line "what the server counted" metrics "" "$(metric calls_with_stranger_rtp_total) calls with a stranger's RTP" held
  end
}

flood() {
  local kind of=closed
  for kind in INVITE REGISTER OPTIONS garbage; do
    begin "$kind flood" "$of"
    run flood "$kind" "$FLOOD_S" "$of"
    end
  done
  begin "INVITE flood" open
  run flood INVITE "$FLOOD_S" open
  end
}

refusals() { echo $(($(metric sip_calls_rejected_total) + $(metric sip_strangers_rejected_total))); }

spoof() { # MODE
  local taken refused most=0 before
  begin "INVITE flood, false addresses" "$1"
  before=$(grep -c 'arrivals: call ' server.log || true) refused=$(refusals)
  run flood INVITE "$FLOOD_S" "$1" spoofed
  # Strangers have 100 places until somebody acknowledges, each for 32 s where nothing rings; the others are the good calls.
  [ "$1" = closed ] || most=$((100 * (1 + FLOOD_S / 32)))
  taken=$(($(grep -c 'arrivals: call ' server.log) - before)) refused=$(($(refusals) - refused))
  line "the strangers' share: 100 calls that nobody acknowledged, $1" metrics "" "$taken calls taken, the good ones among them, $refused refused" \
    "$([ "$taken" -le $((most + 3 * FLOOD_S + 60)) ] && echo held || echo BROKEN)"
  end
}

slow() {
  begin slow closed
  run hold slow
  end
}

idle() {
  begin idle closed
  run hold idle "$IDLE"
  end
}

toll() {
  begin toll closed
  run toll closed dialled "$other_password"
  end
  begin toll open
  run toll open dialled "$other_password"
  end
}

for port in $sip $tls $http $trunk 25062 25063 25070; do must_be_free "$port"; done
head=$(machine)
[ $# -gt 0 ] || set -- quiet scan crack rtp toll flood spoof slow idle
for name in "$@"; do
  case $name in
    quiet) quiet ;;
    scan) scan closed && scan open ;;
    crack) crack ;;
    rtp) rtp ;;
    flood) flood ;;
    spoof) spoof closed && spoof open ;;
    slow) slow ;;
    idle) idle ;;
    toll) toll ;;
    *) fail "no attack is called $name" ;;
  esac
done
stop_server
echo "$head; $(cut -d' ' -f1 /proc/loadavg) after; SIPVicious $(svmap --version 2>/dev/null | grep -oE 'v[0-9.]+' | head -1), sipp $(sipp -v 2>/dev/null | grep -oE 'v[0-9.]+' | head -1)"
echo
awk -F'\t' 'BEGIN {print "| attack | tool | sent | came back | verdict |\n|---|---|---|---|---|"} {printf "| %s | %s | %s | %s | %s |\n", $1, $2, $3, $4, $5}' table
! grep -q 'BROKEN$' table || bad=1
exit "$bad"
