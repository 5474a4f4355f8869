#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs fuzz targets (built by make fuzz) for FUZZ_SECONDS each; new inputs go to a scratch corpus, findings to BUILD/fuzz/.
# usage: tests/fuzz.sh TARGET…
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
for target in "$@"; do
    scratch=$build/fuzz/corpus.$target
    mkdir -p "$scratch"
    dictionary=
    [ -e "fuzz/$target.dict" ] && dictionary=-dict=fuzz/$target.dict
    echo "== $target, ${FUZZ_SECONDS:-60} s"
    if ! "$build/fuzz/$target" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$build/fuzz/$target-" ${dictionary:+"$dictionary"} "$scratch" "fuzz/corpus/$target" >"$build/fuzz/$target.log" 2>&1; then
        tail -n 60 "$build/fuzz/$target.log"
        echo "FAIL $target: the input that shows it is in $build/fuzz/$target-*"
        exit 1
    fi
    grep -E 'number_of_executed_units|average_exec_per_sec' "$build/fuzz/$target.log" || true
done
