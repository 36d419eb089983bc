#!/bin/bash
# Person or machine: speaks benches/answering.tsv with two voices for the thresholds and two others for the figures,
# makes recordings of calls and judges them, with and without recognised texts (docs/answering.md).
#
# OUT keeps everything between runs (default: a new folder that is taken away). HUMAN: a table of recordings of
# people (columns file, text), from which greetings are cut; without it there are synthetic people alone.
# espeak-ng, if there, speaks the English halves. TEXTS=no leaves the recogniser out. BIN and MODELS may be set.
set -euo pipefail
cd "$(dirname "$0")/.."
MODELS=${MODELS:-${QINGTING_HOME:-$HOME/.local/share/qingting}/models}
BIN=${BIN:-target/release/qingting}
PROMPTS=${PROMPTS:-target/release/examples/prompts}
if [ -z "${OUT:-}" ]; then
  OUT=$(mktemp -d)
  trap 'rm -rf "$OUT"' EXIT
fi
[ -x "$PROMPTS" ] || cargo build --release --locked --quiet -p qingting-voice --example prompts
cargo build --release --locked --quiet -p qingting-callbacks --example answering

speak() { # HALF VOICES
  mkdir -p "$OUT/spoken/$1"
  awk -F'\t' -v OFS='\t' -v half="$1" '$2 == half {print $3, $1, $2, $4}' benches/answering.tsv >"$OUT/$1.txt"
  "$PROMPTS" "$MODELS" "$OUT/$1.txt" "$OUT/spoken/$1" "$2" 1.0,1.1,1.15
  command -v espeak-ng >/dev/null || { echo "espeak-ng is missing: no English halves" >&2; return 0; }
  local file english
  while IFS=$'\t' read -r file _ _ _ english; do
    [ -z "$english" ] || espeak-ng -v en-us -s 150 -w "$OUT/spoken/$1/${file%.wav}.english.wav" "$english"
  done < <(tail -n +2 "$OUT/spoken/$1/list.tsv")
}

speak thresholds qingting,jf_gongitsune
speak figures jm_kumo,jf_tebukuro
human=()
[ -z "${HUMAN:-}" ] || human=(-- "$HUMAN")
rm -rf "$OUT/calls"
target/release/examples/answering make "$OUT/calls" "$OUT/spoken/thresholds" "$OUT/spoken/figures" "${human[@]}"
heard=()
if [ "${TEXTS:-yes}" = yes ]; then
  "$BIN" asr eval --tsv "$OUT/calls/texts/list.tsv" --telephone --models "$MODELS" --heard "$OUT/heard.tsv"
  heard=("$OUT/heard.tsv")
fi
target/release/examples/answering judge "$OUT/calls" "${heard[@]}"
