#!/bin/sh
# What recognition costs the category: COUNT test texts spoken, telephoned, recognised, beside the same texts
# clean. APPEALS is the folder with full9210_split.csv and raw_union.csv; OUT keeps what was spoken, so that a run
# goes on where it was broken off. MODEL, BIN and MODELS may be set.
set -eu
cd "$(dirname "$0")/.."
APPEALS=${APPEALS:?the folder with full9210_split.csv and raw_union.csv}
OUT=${OUT:?a folder for what is spoken}
COUNT=${COUNT:-400}
MODEL=${MODEL:-models/trained/category.qtm}
MODELS=${MODELS:-${QINGTING_HOME:-$HOME/.local/share/qingting}/models}
BIN=${BIN:-target/release/qingting}
cargo build --release --locked --quiet -p qingting-nlu --example heard -p qingting-voice --example prompts
mkdir -p "$OUT"
target/release/examples/heard prepare "$APPEALS/full9210_split.csv" "$APPEALS/raw_union.csv" "$COUNT" > "$OUT/texts.tsv"
target/release/examples/prompts "$MODELS" "$OUT/texts.tsv" "$OUT" qingting,jf_alpha,jf_nezumi,jm_kumo 1.1,1.0,1.2
"$BIN" asr eval --tsv "$OUT/list.tsv" --telephone --heard "$OUT/heard.tsv" --models "$MODELS"
target/release/examples/heard score "$MODEL" "$OUT/list.tsv" "$OUT/heard.tsv"
