# shellcheck shell=bash
# What `bridge.sh` and `conference.sh` share: rooms of telephones by telephony/media/examples/load.rs,
# held against the limits that the project set itself.

# The media threads of a server run before everything else; on a machine that others use, too, that is
# what decides how late they are.
first=()
chrt -f 5 true 2>/dev/null && first=(chrt -f 5)

rooms() { # KIND ROOMS SECONDS SHARE_MAX LATE_MS_MAX
  local bad=0 share late run
  built examples/load "cargo build --release -p qingting-media --example load"
  echo "$(machine)${first:+, before other programs (chrt -f 5)}"
  "${first[@]}" "$programs/examples/load" "$1" "$2" "$3" | tee out
  share=$(awk -F': +' '/share per room/ {print $2+0}' out)
  run=$(awk '/^ticks run/ {print $3, $5}' out)
  late=$(sed -n 's/^ticks late.* p99 //p' out | awk '{print $1 == "more" ? 1000 : $1}')
  printf '%-36s %10s %10s %7s\n' '' measured 'at most' ratio
  line() { # WHAT VALUE LIMIT
    printf '%-36s %10s %10s %7s\n' "$1" "$2" "$3" "$(divided "$2" "$3")"
    is_at_most "$2" "$3" || bad=1
  }
  line "share of a core per room, %" "$share" "$4"
  line "ticks late, p99, ms" "$late" "$5"
  echo "$(divided 100 "$share" 0) rooms fill a core; ticks left out: $(echo "$run" | awk '{print $2-$1}'); of rtpengine 0.06 to 0.10 % per relayed call have been published: it neither mixes nor records"
  return "$bad"
}
