#!/usr/bin/env bash
# Load on one SIP address: (a) calls per second, signalling only; (b) calls at once with G.711 media.
# sipp's own answering side runs first on the same machine: the figure to compare with.
#
#   benches/load.sh                     sipp against sipp only
#   benches/load.sh 127.0.0.1:5060 PID  the server too; PID is its process, for its CPU time
#
# Environment: RATE=500 calls/s for SIGNALLING_S=30 s; CALLS=300 at once for MEDIA_S=60 s;
# TRANSPORT=u1 (UDP) or t1 (TCP); SPEECH=FILE.al (raw A-law) instead of a tone, which loads no recogniser.
# METRICS=admin:PASSWORD reads the server's tick lateness during the media load; HTTP=127.0.0.1:12345.
# The exit status is 1 when a call failed.
set -euo pipefail
# shellcheck source=benches/lib.sh
. "$(dirname "$0")/lib.sh"
RATE=${RATE:-500} SIGNALLING_S=${SIGNALLING_S:-30} CALLS=${CALLS:-300} MEDIA_S=${MEDIA_S:-60}
TRANSPORT=${TRANSPORT:-u1} SPEECH=${SPEECH:-} METRICS=${METRICS:-} HTTP=${HTTP:-127.0.0.1:12345}
server=${1:-} server_pid=${2:-}

need sipp
[ -z "$server" ] || [ -d "/proc/$server_pid" ] || fail "usage: $0 [ADDRESS:PORT PID]"
if [ -n "$SPEECH" ]; then
  cp "$SPEECH" speech.al
else
  # One second of 400 Hz, -10 dBm0: twenty A-law samples, over and over.
  tone='\xd5\x8c\xb6\xa1\xa6\xa5\xa6\xa1\xb6\x8c\xd5\x0c\x36\x21\x26\x25\x26\x21\x36\x0c'
  for _ in $(seq 400); do printf '%b' "$tone"; done >speech.al
fi

datagrams_sent() { awk '/^Udp: [0-9]/ {print $5}' /proc/net/snmp; }
# The media threads' histogram of lateness: bound in seconds, ticks up to it.
lateness() {
  curl -fsS --user "$METRICS" "http://$HTTP/metrics" |
    sed -n 's/^qingting_media_tick_lateness_seconds_bucket{le="\([^"]*\)"} /\1 /p'
}
# The bucket's bound that holds a share of the ticks between two histograms.
late_by() { # BEFORE AFTER SHARE
  paste "$1" "$2" | awk -v share="$3" '{bound[NR]=$1; n[NR]=$4-$2} END {for (i=1; i<=NR; i++) if (n[i] >= share*n[NR]) {print bound[i]; exit}}'
}

start_peer() { # SCENARIO
  sipp -sf "$here/$1.xml" -t "$TRANSPORT" -i 127.0.0.1 -p 15060 -mi 127.0.0.1 -mp 16000 -nostdin \
    >peer.out 2>&1 &
  peer_pid=$!
  started+=("$peer_pid")
  for _ in $(seq 100); do
    ! grep -q ':3AD4 ' /proc/net/udp /proc/net/tcp || return 0
    kill -0 "$peer_pid" 2>/dev/null || break
    read -rt 0.05 <> <(:) || true
  done
  fail "sipp does not answer: $(tail -5 peer.out)"
}

stop_peer() { kill "$peer_pid" 2>/dev/null || true; wait "$peer_pid" 2>/dev/null || true; started=(); }

# Runs sipp as the caller: sets failed, cpu (µs of PID), and for media packets_a_second and lost.
call() { # WHO PID ADDRESS SCENARIO CALLS RATE HOLD_MS
  rm -f ./*.csv errors.log
  local before after status=0 caller total_s
  total_s=$(($5 / $6 + $7 / 1000 + 40))
  before=$(cpu_us "$2")
  sipp "$3" -sf "$here/$4.xml" -t "$TRANSPORT" -s 12345 -i 127.0.0.1 -p 15070 -mi 127.0.0.1 -mp 40000 \
    -r "$6" -m "$5" -l "$5" -d "$7" -nostdin -timeout "${total_s}s" -timeout_error \
    -trace_stat -stf stat.csv -fd 1s -trace_rtt -rtt_freq 1 -trace_err -error_file errors.log \
    >sipp.out 2>&1 &
  caller=$!
  packets_a_second=- lost=-
  if [ "$4" = media ]; then
    # All calls are up after the ramp: ten seconds of full load, or what there is.
    local window=$(($7 / 1000 - $5 / $6 - 2)) sent
    [ "$window" -le 10 ] || window=10
    sleep $(($5 / $6 + 1))
    [ "$1" != server ] || [ -z "$METRICS" ] || lateness >late.before
    sent=$(datagrams_sent)
    if [ "$window" -gt 0 ]; then
      sleep "$window"
      packets_a_second=$((($(datagrams_sent) - sent) / window))
    fi
    lost=$(dropped "$2")
    [ "$1" != server ] || [ -z "$METRICS" ] || lateness >late.after
  fi
  wait "$caller" || status=$?
  after=$(cpu_us "$2")
  cpu=$((${after%.*} - ${before%.*}))
  failed=$(column stat.csv 'FailedCall(C)')
  if [ "$status" != 0 ] || [ "$failed" != 0 ]; then
    bad=1
    echo "$1, $4: sipp ended with $status; $(column stat.csv 'SuccessfulCall(C)') of $5 calls succeeded, failures by kind:" >&2
    [ ! -s stat.csv ] || awk -F';' 'NR==1 {n=split($0, name, ";")} END {for (i=1; i<=n; i++) if (name[i] ~ /^Failed[A-Z].*\(C\)$/ && $i+0) print "  " name[i] " " $i}' stat.csv >&2
    head -12 errors.log 2>/dev/null >&2 || true # the first of them, with the message that came
    kill -0 "$2" 2>/dev/null || fail "$1 has died"
  fi
}

row() { printf '%-12s %-10s %8s %7s %9s %8s %8s %14s %12s %9s %7s\n' "$@"; }

bad=0
measure() { # WHO PID ADDRESS SCENARIO: sets figure
  if [ "$4" = signalling ]; then
    call "$1" "$2" "$3" signalling $((RATE * SIGNALLING_S)) "$RATE" 0
    figure=$((cpu / (RATE * SIGNALLING_S))) unit='us/call'
  else
    call "$1" "$2" "$3" media "$CALLS" 50 $((MEDIA_S * 1000))
    figure=$((cpu / (CALLS * MEDIA_S))) unit='us/call-s'
  fi
  ratio=-
  [ "$1" = sipp ] && peer_figure=$figure || ratio=$(awk -v a="$figure" -v b="$peer_figure" 'BEGIN {print b ? sprintf("%.2f", a/b) : "-"}')
  row "$4" "$1" "$(column stat.csv 'TotalCallCreated')" "$failed" "$(column stat.csv 'Retransmissions(C)')" \
    "$(percentile 50)" "$(percentile 99)" "$figure $unit" "$packets_a_second" "$lost" "$ratio" >>table
}

for scenario in signalling media; do
  start_peer "$([ "$scenario" = media ] && echo answer_media || echo answer)"
  measure sipp "$peer_pid" 127.0.0.1:15060 "$scenario"
  stop_peer
  [ -z "$server" ] || measure server "$server_pid" "$server" "$scenario"
done

echo "$(machine), $TRANSPORT; $RATE calls/s for $SIGNALLING_S s; $CALLS calls for $MEDIA_S s"
row load answerer calls failed 'repeated' 'p50 ms' 'p99 ms' CPU 'packets/s' dropped ratio
cat table
if [ -s late.after ]; then
  echo "media ticks of the server, late by at most: p50 $(late_by late.before late.after 0.5) s, p99 $(late_by late.before late.after 0.99) s, p99.9 $(late_by late.before late.after 0.999) s"
fi
exit "$bad"
