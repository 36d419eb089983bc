# shellcheck shell=bash
# A campaign that runs beside a load: citizens behind a trunk, each of whom is to be called once. Sourced by cluster.sh, after
# lib.sh.
# shellcheck disable=SC2154  # here, programs, models, password and url are of who sources this

# What the servers' configuration says for it, after its sections.
campaign_settings() {
  local day days=()
  for day in mon tue wed thu fri sat sun; do days+=("$day = [\"00:00-24:00\"]"); done
  printf '[callbacks]\nscripts = "%s/tests/tests/scripts"\n' "$(realpath "$here/..")"
  printf '[[trunks]]\nname = "外线"\nuri = "sip:%s:5080"\npeers = ["%s"]\ncaller_id = "12345"\n' "$TRUNK" "$TRUNK"
  (IFS=,; printf '[[hours]]\nname = "always"\nweekly = { %s }\n' "${days[*]}")
}

# Citizens of both campaigns answer from now on.
citizens_answer() {
  local number
  for number in $(seq $((2 * CITIZENS))); do
    printf '[[citizens]]\nnumber = "1390000%04d"\nring_s = 0.2\n[[citizens.calls]]\n' "$number"
    printf 'person.greeting = { says = "喂，你好。" }\nperson.answers = [{ keys = "1" }, { keys = "1" }, { keys = "1" }]\n'
  done >citizens.toml
  "$programs/qingting" answer citizens.toml --json --listen "$TRUNK:5080" --models "$models" --speech "$PROMPTS" >citizens.json 2>citizens.log &
  started+=("$!")
  for _ in $(seq 600); do
    ! grep -q listening citizens.json || return 0
    read -rt 0.1 <> <(:) || true
  done
  fail "the citizens do not answer: $(tail -3 citizens.log)"
}

api() { # METHOD PATH BODY
  curl -fsS --user "admin:$password" -X "$1" -H 'Content-Type: application/json' -d "$3" "http://127.0.0.21:15080/api/v1/$2" >/dev/null
}

# One more campaign calls CITIZENS of them.
campaigns=0
campaign_begins() { # NAME
  local first=$((campaigns * CITIZENS + 1))
  campaigns=$((campaigns + 1))
  api POST campaigns "{\"name\": \"$1\", \"settings\": {\"script\": \"short\", \"hours\": \"always\", \"attempts_max\": 1, \"days_min\": 1,
    \"concurrent_max\": 8, \"per_second_max\": 4.0, \"ring_s\": 10}}"
  api POST "campaigns/$1/follow-ups" "[$(for number in $(seq "$first" $((campaigns * CITIZENS))); do
    printf '{"event_id": "e%s", "ticket": "T%s", "title": "路灯不亮", "unit": "城管局", "closed_at": 1767060000000, "citizen": "1390000%04d"}\n' "$number" "$number" "$number"
  done | paste -sd,)]"
  api PATCH "campaigns/$1" '{"state": "running"}'
}

# Waits until the campaign is over, two minutes at most; sets twice (citizens who were called again, by all campaigns),
# unknown (attempts whose server was gone) and open (citizens of this one without an attempt that ended).
# shellcheck disable=SC2034  # for cluster.sh
campaign_ends() { # NAME
  local of="FROM follow_ups JOIN campaigns ON campaigns.id = campaign_id WHERE campaigns.name = '$1'"
  for _ in $(seq 120); do
    open=$(psql -XAtq -d "$url" -c "SELECT count(*) $of AND follow_ups.state <> 'ended'")
    [ "$open" != 0 ] || break
    sleep 1
  done
  unknown=$(psql -XAtq -d "$url" -c "SELECT count(*) FROM attempts WHERE outcome = 'unknown' AND follow_up_id IN (SELECT follow_ups.id $of)")
  twice=$(sed -n 's/.*"number": *"\([0-9]*\)".*/\1/p' citizens.json | sort | uniq -d | wc -l)
}
