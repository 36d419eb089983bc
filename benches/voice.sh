#!/bin/sh
# Round trip of the voice: speak benches/voice.txt, telephone band, recognise; and first audio.
# The two run one after the other in processes of their own. VOICES, SPEEDS, BIN and MODELS may be set.
set -eu
cd "$(dirname "$0")/.."
MODELS=${MODELS:-${QINGTING_HOME:-$HOME/.local/share/qingting}/models}
BIN=${BIN:-target/release/qingting}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cargo build --release --locked --quiet -p qingting-voice --example prompts
for voice in ${VOICES:-qingting}; do
    for speed in ${SPEEDS:-1.0}; do
        mkdir "$out/$voice-$speed"
        echo "== $voice, speed $speed"
        target/release/examples/prompts "$MODELS" benches/voice.txt "$out/$voice-$speed" "$voice" "$speed"
        "$BIN" asr eval --tsv "$out/$voice-$speed/list.tsv" --telephone --json --models "$MODELS" | grep -E '"(cer|characters|substitutions|deletions|insertions)":'
    done
done
