#!/usr/bin/env bash
# A throw-away PostgreSQL for tests. It answers each line of its input, the name of a new database, with the
# database's address, and is gone when its input ends, however the program that started it ends. The line `:stop` ends
# the server as a crash does, `:start` starts it again. With `--durable` what was committed is there after that. `:hang` leaves it there, but it
# says nothing, until `:wake`.
set -euo pipefail
bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
if [ -z "$bin" ]; then
    echo "error: PostgreSQL is missing; install it with: apt-get install -y postgresql"
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    # PostgreSQL refuses to run as root. Its user may not be able to read this file.
    user=postgres
    id -u "$user" >/dev/null 2>&1 || user=nobody
    exec setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups bash -c "$(cat "$0")" "$0" "$@"
fi
cd /
dir=$(mktemp -d /tmp/qingting-postgres.XXXXXX)
stop() {
    signal CONT 2>/dev/null || true
    "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$dir"
}
trap stop EXIT
# The order of text in the product must not depend on the locale: this one orders as no program would.
"$bin/initdb" -D "$dir/data" -U qingting -A trust -E UTF8 --locale=C.UTF-8 --locale-provider=icu \
    --icu-locale=zh --no-sync >"$dir/log" 2>&1 || { echo "error: $(tail -n 1 "$dir/log")"; exit 1; }
settings="-c listen_addresses= -c unix_socket_directories=$dir -c max_connections=200 -c fsync=off"
[ "${1:-}" = --durable ] || settings+=" -c synchronous_commit=off"
settings+=" -c full_page_writes=off -c autovacuum=off -c shared_buffers=64MB"
start() { "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w -o "$settings" start >/dev/null 2>&1; }
start || { echo "error: $(tail -n 1 "$dir/log")"; exit 1; }
# To it and all that serve a connection.
signal() {
    local server
    server=$(head -n 1 "$dir/data/postmaster.pid")
    kill -"$1" "$server" && pkill -"$1" -P "$server"
}
while read -r name; do
    case "$name" in
    :stop) "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null 2>&1 && echo stopped && continue ;;
    :start) start && echo started && continue ;;
    :hang) signal STOP && echo hangs && continue ;;
    :wake) signal CONT && echo awake && continue ;;
    esac
    "$bin/createdb" -h "$dir" -U qingting "$name" 2>"$dir/error" ||
        { echo "error: $(cat "$dir/error")"; continue; }
    echo "postgres://qingting@localhost/$name?host=$dir"
done
