#!/usr/bin/env bash
# What a bridged, mixed and recorded call costs with few and with many of them: processor and memory per call at
# 50, 200, 500 and 1,000, as a table and, where a name is given, as a picture.
#
#   cargo build --release -p qingting-media --example load
#   benches/growth.sh [FILE.svg]
#
# Environment: ROOMS="50 200 500 1000", SECONDS_EACH=20 s. The telephones are another process; from where the two
# fill the machine, ticks are left out and the row says so. The exit status is 1 when a call's share of a core is
# more than 10 % beyond the smallest before that.
set -euo pipefail
picture=${1:+$(realpath -m "$1")}
# shellcheck source=benches/lib.sh
. "$(dirname "$0")/lib.sh"
read -ra sizes <<<"${ROOMS:-50 200 500 1000}"
SECONDS_EACH=${SECONDS_EACH:-20}
built examples/load "cargo build --release -p qingting-media --example load"
first=()
chrt -f 5 true 2>/dev/null && first=(chrt -f 5)

for rooms in "${sizes[@]}"; do
  "${first[@]}" "$programs/examples/load" bridge "$rooms" "$SECONDS_EACH" >out
  awk -v rooms="$rooms" '
    /share per room/ {share=$(NF-1)} /in the kernel/ {kernel=$(NF-1)} /^memory per room/ {memory=$(NF-1)}
    /^ticks run/ {run=$3; wanted=$5} /^ticks late/ {sub(/.* p99 /, ""); late=($1 == "more" ? 1000 : $1)}
    END {print rooms, share, kernel, memory, late, run, wanted}' out >>measured
done

echo "$(machine)${first:+, before other programs (chrt -f 5)}; rooms of two, mixed, recorded in stereo, $SECONDS_EACH s each"
awk '{share[NR]=$2; full[NR]=($6 < 0.99*$7); n[NR]=$1; line[NR]=$0; if (!full[NR] && (!least || $2 < least)) least=$2}
  END {
    printf "%8s %20s %12s %10s %12s %12s %10s\n", "calls", "a core per call, %", "kernel, %", "cores", "KiB per call", "late p99, ms", "to least"
    for (i=1; i<=NR; i++) {
      split(line[i], f, " ")
      printf "%8d %20.4f %12.4f %10.2f %12.1f %12.2f %10.2f%s\n", f[1], f[2], f[3], f[1]*f[2]/100, f[4], f[5], least ? f[2]/least : 0,
        full[i] ? "  the machine is full: " f[6] " of " f[7] " ticks ran" : ""
      if (!full[i] && f[2] > 1.1*least) bad=1
    }
    exit bad
  }' measured && bad=0 || bad=1

if [ -n "$picture" ]; then
  # Two curves over the number of calls: a core's share per call (left axis) and cores in all (right axis).
  awk '
    {n[NR]=$1; share[NR]=$2; all[NR]=$1*$2/100; if ($1>nmax) nmax=$1; if ($2>smax) smax=$2; if (all[NR]>amax) amax=all[NR]}
    function x(v) {return 70+v/nmax*500}
    function y(v, max) {return 320-v/max*270}
    END {
      smax*=1.25; amax*=1.1
      print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 380\" font-family=\"sans-serif\" font-size=\"13\">"
      print "<title>Bridged, mixed and recorded calls: processor per call and in all</title><rect width=\"640\" height=\"380\" fill=\"#fff\"/>"
      print "<path d=\"M70 50V320H570V50\" fill=\"none\" stroke=\"#444\"/>"
      for (i=1; i<=NR; i++) printf "<path d=\"M%.1f 320v5\" stroke=\"#444\"/><text x=\"%.1f\" y=\"342\" text-anchor=\"middle\">%d</text>\n", x(n[i]), x(n[i]), n[i]
      for (k=0; k<=4; k++) {
        printf "<text x=\"62\" y=\"%.1f\" text-anchor=\"end\" fill=\"#16365f\">%.3f</text><text x=\"578\" y=\"%.1f\" fill=\"#a33a00\">%.2f</text>\n", y(k/4, 1)+4, smax*k/4, y(k/4, 1)+4, amax*k/4
        printf "<path d=\"M70 %.1fH570\" stroke=\"#ddd\"/>\n", y(k/4, 1)
      }
      printf "<polyline fill=\"none\" stroke=\"#16365f\" stroke-width=\"2\" points=\""; for (i=1; i<=NR; i++) printf "%.1f,%.1f ", x(n[i]), y(share[i], smax); print "\"/>"
      printf "<polyline fill=\"none\" stroke=\"#a33a00\" stroke-width=\"2\" stroke-dasharray=\"6 4\" points=\""; for (i=1; i<=NR; i++) printf "%.1f,%.1f ", x(n[i]), y(all[i], amax); print "\"/>"
      for (i=1; i<=NR; i++) printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"#16365f\"/><circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"#a33a00\"/>\n", x(n[i]), y(share[i], smax), x(n[i]), y(all[i], amax)
      print "<text x=\"320\" y=\"366\" text-anchor=\"middle\">calls at once</text>"
      print "<text x=\"70\" y=\"34\" fill=\"#16365f\">% of a core per call (solid)</text><text x=\"570\" y=\"34\" text-anchor=\"end\" fill=\"#a33a00\">cores in all (dashed)</text></svg>"
    }' measured >"$picture"
  echo "drawn: $picture"
fi
exit "$bad"
