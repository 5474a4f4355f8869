#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs every test program and the end-to-end tests, prints what failed and why, and ends in "N passed, N failed".
# usage: tests/run.sh [unit]
set -u
cd "$(dirname "$0")/.." || exit 70
build=${BUILD:-build}
python=${PYTHON:-/usr/bin/python3}
passed=0
failed=0
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
limit=280                                # seconds a program, or the end-to-end tests, may take
[ -z "${WEIR_TEST_SLOW:-}" ] || limit=900 # sanitizer builds take several times as long
started=$SECONDS

count() { # NAME LOG EXIT-CODE PASSED FAILED
    if [ "$3" -ne 0 ] && [ "$5" -eq 0 ]; then
        set -- "$1" "$2" "$3" "$4" 1 # a crash counts as a failure
    fi
    passed=$((passed + $4))
    failed=$((failed + $5))
    if [ "$5" -gt 0 ]; then
        printf 'FAIL %s (exit %s)\n' "$1" "$3"
        grep -vE '^\[ +(RUN|OK) +\]' "$2" | tail -n 120 | sed 's/^/    /'
    else
        printf 'ok   %-44s %4d tests\n' "$1" "$4"
    fi
}

for test in "$build"/tests/*/*_test; do
    [ -x "$test" ] || continue
    source=tests/${test#"$build"/tests/}.c
    [ -e "$source" ] || continue # left over from an older build
    log=$logs/unit
    timeout "$limit" "$test" >"$log" 2>&1
    code=$?
    count "${test#"$build"/tests/}" "$log" $code "$(grep -cE '^\[ +OK \]' "$log")" "$(sed -n 's/^\[  FAILED  \] \([A-Za-z0-9_]*\)$/\1/p' "$log" | sort -u | wc -l)"
done

for replay in "$build"/fuzz/*_replay; do
    [ -x "$replay" ] || continue
    name=$(basename "$replay" _replay)
    timeout 120 "$replay" "fuzz/corpus/$name" >"$logs/fuzz" 2>&1
    code=$?
    count "fuzz/$name (corpus)" "$logs/fuzz" $code $((code == 0)) $((code != 0))
done

if [ "${1:-all}" = all ]; then
    # They wait more than they work: three at a time, each file's in its order.
    WEIR=$(realpath "$build")/weir timeout "$limit" "$python" -m pytest -q -p no:cacheprovider -n 3 --dist loadfile tests/e2e \
        >"$logs/e2e" 2>&1
    code=$?
    number() { grep -oE "[0-9]+ $1" "$logs/e2e" | tail -n 1 | grep -oE '[0-9]+' || echo 0; }
    count e2e "$logs/e2e" $code "$(number passed)" "$(($(number failed) + $(number error)))"
fi

printf '%d s\n%d passed, %d failed\n' $((SECONDS - started)) "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
