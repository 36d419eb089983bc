# shellcheck shell=bash
# What the measurements share. Sourced after `set -euo pipefail`; makes a folder, goes there, and at the
# end takes the folder and the processes in `started` away.

here=$(cd "$(dirname "$0")" && pwd)
programs=$(cd "$here/.." && pwd)/target/release
work=$(mktemp -d)
started=()

fail() { printf '%s\n' "$*" >&2; exit 2; }
# shellcheck disable=SC2317  # called by the trap
cleanup() {
  local pid
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap cleanup EXIT
cd "$work" || exit

need() { command -v "$1" >/dev/null || fail "$1 is missing: run scripts/setup-tests.sh"; }
built() { [ -x "$programs/$1" ] || fail "$1 is not built: $2"; }

# Columns of sipp's last line of statistics, by name.
column() { [ -s "$1" ] || { echo 0; return; }; awk -F';' -v name="$2" 'NR==1 {for (i=1; i<=NF; i++) at[$i]=i} END {print $at[name]+0}' "$1"; }
# CPU time of a process in microseconds (clock ticks of 10 ms).
cpu_us() { awk -v hz="$(getconf CLK_TCK)" '{sub(/.*\) /, ""); print ($12+$13)*1000000/hz}' "/proc/$1/stat"; }
# The same with its children.
cpu_us_all() {
  local pid sum=0 us
  for pid in "$1" $(cat "/proc/$1/task/"*/children); do
    # One that has just ended has done nothing of this.
    us=$(cpu_us "$pid" 2>/dev/null) || continue
    sum=$((sum + ${us%.*}))
  done
  echo "$sum"
}
# Percentile of sipp's response times (INVITE to 200, whole milliseconds).
percentile() { { tail -n +2 -q ./*_rtt.csv 2>/dev/null || true; } | cut -d';' -f2 | sort -n | awk -v p="$1" '{v[NR]=$1} END {i=int(NR*p/100+0.999999); print NR ? v[i<1?1:i] : "-"}'; }
# Datagrams that came faster than a process read them, over its open sockets.
dropped() {
  { find "/proc/$1/fd" -lname 'socket:*' -printf '%l\n' 2>/dev/null || true; } | tr -dc '0-9\n' |
    awk 'NR==FNR {mine[$1]=1; next} ($10 in mine) {sum+=$NF} END {print sum+0}' - /proc/net/udp
}
divided() { awk -v a="$1" -v b="$2" -v places="${3:-2}" 'BEGIN {if (b > 0) printf "%.*f\n", places, a/b; else print "-"}'; }
is_at_most() { awk -v a="$1" -v b="$2" 'BEGIN {exit !(a <= b)}'; }

# Prints what was measured beside its limit; sets `bad` where it is broken.
# shellcheck disable=SC2034  # the script ends with it
check() { # WHAT VALUE LIMIT
  local word=ok
  is_at_most "$2" "$3" || { word=BROKEN bad=1; }
  printf '%-60s %10s %10s   %s\n' "$1" "$2" "$3" "$word"
}

# Models as a server finds them, and spoken prompts that all measurements share.
# shellcheck disable=SC2034  # for the configuration of who sources this
models=${QINGTING_HOME:-${XDG_DATA_HOME:-$HOME/.local/share}/qingting}/models
PROMPTS=${PROMPTS:-$programs/test-prompts}

# Starts a server and waits until it takes calls; sets server_pid. It may have prompts to speak first.
serve() { # CONFIG OUT LOG
  "$programs/qingting" serve --config "$1" >"$2" 2>"$3" &
  server_pid=$!
  started+=("$server_pid")
  for _ in $(seq 1200); do
    ! grep -q 'Stop with Ctrl-C' "$2" || return 0
    kill -0 "$server_pid" 2>/dev/null || break
    read -rt 0.1 <> <(:) || true
  done
  fail "the server does not start: $(tail -5 "$3")"
}
password_of() { awk '$1 == "Password" {print $2; exit}' "$1"; }

# Ends when somebody has the UDP port already: the load would go to a stranger.
must_be_free() {
  ! grep -q "$(printf ':%04X ' "$1")" /proc/net/udp || fail "port $1 is taken"
}
# Waits until somebody has the UDP port.
wait_for_port() { # PORT PID
  local port
  port=$(printf ':%04X ' "$1")
  for _ in $(seq 200); do
    ! grep -q "$port" /proc/net/udp || return 0
    kill -0 "$2" 2>/dev/null || return 1
    read -rt 0.05 <> <(:) || true
  done
  return 1
}

machine() { echo "$(nproc) cores, $(awk -F': ' '/model name/ {print $2; exit}' /proc/cpuinfo), load before $(cut -d' ' -f1 /proc/loadavg)"; }
