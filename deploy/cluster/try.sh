#!/usr/bin/env bash
# Tries several servers on this machine (docs/cluster.md): PostgreSQL and Kamailio from Debian's packages, two
# `qingting serve` behind them and one recogniser for both. Everything is below one folder and ends with Ctrl-C.
#     deploy/cluster/try.sh [FOLDER]      default: /tmp/qingting-cluster
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(realpath -m "${1:-/tmp/qingting-cluster}")
bin=target/release/qingting
edge=127.0.0.5
say() { printf '%s\n' "$*"; }

for program in kamailio psql openssl; do
    command -v "$program" >/dev/null || {
        say "$program is missing. Run: apt-get install -y --no-install-recommends kamailio kamailio-websocket-modules postgresql postgresql-client openssl"
        exit 1
    }
done
[ -x "$bin" ] || {
    say "$bin is missing. Run: make run (and stop it with Ctrl-C)"
    exit 1
}
mkdir -p "$folder"
chmod 711 "$folder"
pids=()
stop() {
    trap - EXIT INT TERM
    say "Stopping."
    for pid in "${pids[@]}"; do kill -INT "$pid" 2>/dev/null || true; done
    # The recogniser does not listen to INT, nor does a server that makes its prompts.
    [ -z "${worker:-}" ] || kill "$worker" 2>/dev/null || true
    for _ in $(seq 100); do
        kill -0 "${pids[@]}" 2>/dev/null || break
        sleep 0.1
    done
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
}
trap stop EXIT
trap 'exit 130' INT TERM

# A PostgreSQL of its own, as scripts/postgres-for-tests.sh makes it: it is gone when this script is.
coproc postgres { scripts/postgres-for-tests.sh; }
echo hotline >&"${postgres[1]}"
read -r url <&"${postgres[0]}"
case $url in postgres://*) ;; *) say "$url"; exit 1 ;; esac
(umask 077; printf '%s\n' "$url" >"$folder/database.url")
say "PostgreSQL: $url"

[ -e "$folder/cluster.secret" ] || (umask 077; openssl rand -hex 32 >"$folder/cluster.secret")
# One recogniser for both servers, as it would stand on a host of its own: with a certificate and a token.
models=${QINGTING_HOME:-${XDG_DATA_HOME:-$HOME/.local/share}/qingting}/models
[ -e "$folder/worker.key" ] || (umask 077
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj /CN=localhost \
        -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:localhost -keyout "$folder/worker.key" -out "$folder/worker.pem" 2>/dev/null
    openssl rand -hex 32 >"$folder/worker.token")
"$bin" asr-worker --listen 127.0.0.1:7012 --models "$models" --certificate "$folder/worker.pem" \
    --key "$folder/worker.key" --token-file "$folder/worker.token" >"$folder/worker.log" 2>&1 &
worker=$!
pids+=("$worker")
say "Recogniser: localhost:7012"
for n in 1 2; do
    home=$folder/server-$n
    mkdir -p "$home"
    cat >"$home/config.toml" <<TOML
[sip]
listen_udp = ["127.0.0.1$n:5060"]
listen_tcp = ["127.0.0.1$n:5060"]
proxies = ["$edge"]
browser_url = "ws://$edge:8080"
[media]
port_first = ${n}0000
port_last = ${n}9999
[http]
listen = "127.0.0.1$n:8000"
[cluster]
http = "127.0.0.1$n:8000"
secret_file = "$folder/cluster.secret"
[asr]
local = false
workers = [{ address = "localhost:7012", certificate = "$folder/worker.pem", token_file = "$folder/worker.token" }]
[data]
database_url_file = "$folder/database.url"
models = "$models"
[[queues]]
name = "综合"
skill = "综合"
[[numbers]]
number = "12345"
name = "热线"
queue = "综合"
TOML
    [ -e "$home/prompts" ] || ln -s "$folder/prompts" "$home/prompts"
done
mkdir -p "$folder/prompts"
sed -e "s/!EDGE_IP!127.0.0.1!/!EDGE_IP!$edge!/" -e "s,!/etc/kamailio/qingting-servers.list!,!$folder/servers.list!," \
    -e "s,!/run/kamailio!,!$folder!," deploy/cluster/kamailio.cfg >"$folder/kamailio.cfg"
printf '1 sip:127.0.0.1%s:5060\n' 1 2 >"$folder/servers.list"
kamailio -DD -E -f "$folder/kamailio.cfg" -P "$folder/kamailio.pid" -Y "$folder" >"$folder/kamailio.log" 2>&1 &
pids+=($!)
say "Kamailio: sip:12345@$edge, browsers ws://$edge:8080"
for n in 1 2; do
    "$bin" serve --config "$folder/server-$n/config.toml" >"$folder/server-$n/out.log" 2>&1 &
    pids+=($!)
    until grep -q "Stop with Ctrl-C" "$folder/server-$n/out.log" 2>/dev/null; do
        kill -0 "${pids[-1]}" 2>/dev/null || { cat "$folder/server-$n/out.log"; exit 1; }
        sleep 0.5
    done
    say "Server $n: http://127.0.0.1$n:8000/console/"
    grep -h "shown once" "$folder/server-$n/out.log" || true
done
say "Ready. Make seats at either server, register telephones at sip:$edge, call sip:12345@$edge."
say "Kill one with: kill -9 ${pids[2]}   (the other one is ${pids[3]}). Stop all with Ctrl-C."
wait
