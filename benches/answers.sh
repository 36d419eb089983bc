#!/bin/sh
# Answers of callbacks through the telephone and the recogniser: the held-out and the "must not guess" words of
# nlu/tests/answers, spoken by several voices, telephoned, recognised and read, beside the same words written.
# OUT keeps what was spoken. BIN and MODELS may be set.
set -eu
cd "$(dirname "$0")/.."
OUT=${OUT:?a folder for what is spoken}
MODELS=${MODELS:-${QINGTING_HOME:-$HOME/.local/share/qingting}/models}
BIN=${BIN:-target/release/qingting}
cargo build --release --locked --quiet -p qingting-nlu --example spoken_answers -p qingting-voice --example prompts
mkdir -p "$OUT"
target/release/examples/spoken_answers prepare > "$OUT/texts.tsv"
# What the recogniser is told to expect is that column.
target/release/examples/prompts "$MODELS" "$OUT/texts.tsv" "$OUT" jf_alpha,jf_nezumi,jm_kumo 1.0,1.1,1.2
sed -i '1s/.*/file\ttext\tquestion\tanswer\tset\texpected/' "$OUT/list.tsv"
"$BIN" asr eval --tsv "$OUT/list.tsv" --telephone --heard "$OUT/heard.tsv" --models "$MODELS"
target/release/examples/spoken_answers score "$OUT/list.tsv" "$OUT/heard.tsv"
