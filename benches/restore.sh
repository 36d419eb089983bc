#!/usr/bin/env bash
# The restore drill: recorded calls and past tickets, a backup while the server runs, everything destroyed, restored,
# every recording compared with its hash (by `restore`, which also counts what there is), and the newest 500 calls and
# tickets and the last of the past tickets as the interface tells them compared with before.
#
#   cargo build --release -p qingting-server
#   benches/restore.sh
#
# Environment: CALLS=200 of TALK_S=20 s each, TICKETS=100000 past ones. Starts everything itself, in a folder that is
# removed. PROMPTS names a folder of spoken prompts. The exit status is 1 when something is not as it was.
set -euo pipefail
# shellcheck source=benches/lib.sh
. "$(dirname "$0")/lib.sh"
CALLS=${CALLS:-200} TALK_S=${TALK_S:-20} TICKETS=${TICKETS:-100000}
need sipp
built qingting "cargo build --release -p qingting-server"
mkdir -p "$PROMPTS" server
ln -s "$PROMPTS" server/prompts
{
  sed -e "s/5060/15064/" "$here/load.toml"
  printf 'notice = "本次通话将被录音。"\ngreeting = "您好，请讲。"\n' >hotline
  printf '[http]\nlisten = "127.0.0.1:15081"\n[data]\nmodels = "%s"\ndir = "data"\n' "$models"
} | sed '/^\[hotline\]/r hotline' >server/config.toml
config=(--config "$work/server/config.toml")

halt() { kill -INT "$server_pid"; wait "$server_pid" 2>/dev/null || true; started=(); }
ask() { curl -fsS --user "admin:$password" "http://127.0.0.1:15081/api/v1/$1"; }
# Calls with the hash of their recording, and the newest tickets, as the interface tells them.
told() { ask 'calls?limit=500' | tr -d ' \n' && ask 'tickets?limit=500' | tr -d ' \n' &&
  ask "tickets?number=P$(printf %07d "$TICKETS")" | tr -d ' \n'; }
seconds() { awk -v from="$1" -v to="$(date +%s.%N)" 'BEGIN {printf "%.1f", to-from}'; }

for port in 15064 15172; do must_be_free "$port"; done
serve "$work/server/config.toml" server.out server.log
password=$(password_of server.out)
tone='\xd5\x8c\xb6\xa1\xa6\xa5\xa6\xa1\xb6\x8c\xd5\x0c\x36\x21\x26\x25\x26\x21\x36\x0c'
for _ in $(seq 400); do printf '%b' "$tone"; done >speech.al
sipp 127.0.0.1:15064 -sf "$here/media.xml" -s 12345 -i 127.0.0.1 -p 15172 -mi 127.0.0.1 -mp 40000 -r 50 -m "$CALLS" -l "$CALLS" \
  -d $((TALK_S * 1000)) -nostdin -timeout $((TALK_S + 90))s -timeout_error >sipp.out 2>&1 || fail "sipp: $(tail -3 sipp.out)"
awk -v n="$TICKETS" 'BEGIN {
  print "工单编号,受理时间,标题,诉求内容,联系电话"
  for (i=1; i<=n; i++) printf "P%07d,2026-%02d-%02d %02d:%02d:00,路灯不亮,人民路%d号旁的路灯晚上不亮,138%08d\n", i, i%9+1, i%28+1, i%24, i%60, i%3000+1, i
}' >past.csv
"$programs/qingting" tickets import past.csv "${config[@]}" >import.out || fail "$(tail -3 import.out)"
sleep 5
told >before

begin=$(date +%s.%N)
"$programs/qingting" backup "$work/backup" "${config[@]}" >backup.out 2>&1 || fail "$(tail -3 backup.out)"
backup_s=$(seconds "$begin")
halt
cp server/data/recording.key key 2>/dev/null || fail "no key of the recordings"
bytes=$(du -sk backup | cut -f1)
rm -rf server/data
begin=$(date +%s.%N)
mkdir server/data
chmod 700 server/data
mv key server/data/recording.key
"$programs/qingting" restore "$work/backup" "${config[@]}" >restore.out 2>&1 || fail "$(tail -5 restore.out)"
restore_s=$(seconds "$begin")
serve "$work/server/config.toml" server.out server.log
told >after
same=different
cmp -s before after && same='as before'
echo "$(machine); $CALLS recorded calls of $TALK_S s, $TICKETS past tickets, $((bytes / 1024)) MiB"
cat restore.out
echo "backup while the server runs: $backup_s s; restore, with every recording's hash: $restore_s s; calls and tickets are $same"
[ "$same" = 'as before' ]
