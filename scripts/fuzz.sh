#!/usr/bin/env bash
# Fuzzes what reads the bytes of strangers (fuzz/targets) with libFuzzer, one target after the other, and fails on a
# finding. What was learnt is kept in target/fuzz-corpus and begins the next run.
#     scripts/fuzz.sh [SECONDS [TARGET…]]      600 s for each target; SANITIZER=address looks into libraries, too
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

seconds=${1:-600}
[ $# -eq 0 ] || shift
# Our own crates have no unsafe code on these ways: without a sanitizer more inputs are tried, and stable Rust does.
sanitizer=${SANITIZER:-none}
version=0.13.2
if [ "$(target/tools/bin/cargo-fuzz --version 2>/dev/null)" != "cargo-fuzz $version" ]; then
  say "Building cargo-fuzz $version (a minute, once)"
  cargo install --quiet --locked --root target/tools "cargo-fuzz@$version"
fi
PATH="$PWD/target/tools/bin:$PATH"
[ "$sanitizer" = none ] || export RUSTUP_TOOLCHAIN=${RUSTUP_TOOLCHAIN:-nightly}
options=(--fuzz-dir fuzz --sanitizer "$sanitizer" --target-dir target/fuzz)

targets=("$@")
if [ $# -eq 0 ]; then
  mapfile -t targets < <(cargo fuzz list --fuzz-dir fuzz)
  say "Building the targets"
  cargo fuzz build "${options[@]}"
fi
found=0
for target in "${targets[@]}"; do
  corpus=target/fuzz-corpus/$target
  findings=target/fuzz-findings/$target
  mkdir -p "$corpus" "$findings"
  say "$target: $seconds s"
  # What takes 10 s, or 2 GiB, is a finding, too.
  if ! cargo fuzz run "${options[@]}" "$target" "$corpus" "fuzz/seeds/$target" -- -max_total_time="$seconds" \
      -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$findings/" -print_final_stats=1 -verbosity=0; then
    found=1
    input=$(find "$findings" -type f -printf '%T@ %p\n' | sort -rn | head -1 | cut -d' ' -f2-)
    say "$target: FOUND. Again: cargo fuzz run ${options[*]} $target $input"
    say "$target: smaller: cargo fuzz tmin ${options[*]} $target $input"
  fi
done
exit "$found"
