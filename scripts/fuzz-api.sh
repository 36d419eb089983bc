#!/usr/bin/env bash
# Asks a throw-away server everything that docs/openapi.json describes, with values that fit and values that do not
# (schemathesis, from PyPI, in a virtual environment of its own), and fails on an answer with 5xx, of a status or
# type that is not described, or against its schema. Wants target/release/qingting and the models (make run has both).
#     scripts/fuzz-api.sh [SECONDS] [OPTIONS OF schemathesis run]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-120}
[ $# -eq 0 ] || shift
[ -x target/release/qingting ] || { echo "error: target/release/qingting is missing: make run builds it" >&2; exit 2; }
models=${QINGTING_HOME:-${XDG_DATA_HOME:-$HOME/.local/share}/qingting}/models
tools=$PWD/target/schemathesis
description=$PWD/docs/openapi.json
version=4.32.5
if [ "$("$tools/bin/schemathesis" --version 2>/dev/null)" != "schemathesis, version $version" ]; then
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet "schemathesis==$version"
fi

home=$(mktemp -d)
server=
stop() {
    [ -z "$server" ] || { kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; } || true
    rm -rf "$home"
}
trap stop EXIT
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
sip=$(free_port)
http=$(free_port)
cat >"$home/config.toml" <<TOML
[sip]
listen_udp = ["127.0.0.1:$sip"]
listen_tcp = ["127.0.0.1:$sip"]
[hotline]
notice = "本次通话将被录音。"
greeting = "您好，请讲。"
[asr]
enabled = false
[http]
listen = "127.0.0.1:$http"
[data]
models = "$models"
[log]
level = "warn"
TOML
"$PWD/target/release/qingting" serve --config "$home/config.toml" >"$home/said" 2>"$home/log" &
server=$!
base=http://127.0.0.1:$http
for _ in $(seq 600); do
    if curl -fs "$base/readyz" >/dev/null; then break; fi
    kill -0 "$server" 2>/dev/null || { cat "$home/log" >&2; exit 2; }
    sleep 0.2
done
# The first start shows the administrator's password.
password=$(grep -oE '[a-z2-9]{5}(-[a-z2-9]{5}){3}' "$home/said" | head -n 1)
key=$(curl -fs -u "admin:$password" "$base/api/v1/api-keys" -H 'Content-Type: application/json' \
    -d '{"name": "fuzz", "role": "admin"}' | grep -oE 'qt_[0-9a-f]{64}')

# The event stream is a WebSocket. What schemathesis keeps goes with the folder.
cd "$home"
status=0
"$tools/bin/schemathesis" run "$description" --url "$base" -H "Authorization: Bearer $key" \
    --exclude-path /api/v1/events --rate-limit auto --max-time "$seconds" --continue-on-failure \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance \
    --warnings off --no-color "$@" || status=$?
if grep -E 'ERROR|panicked' "$home/log" >&2; then
    echo "error: the server failed" >&2
    status=1
fi
exit "$status"
