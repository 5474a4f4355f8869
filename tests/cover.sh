#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Line coverage per folder from a COVER=1 build. usage: tests/cover.sh BUILD
set -eu
cd "$(dirname "$0")/.."
for folder in matcher targets rules router router/sources router/api router/cli; do
    for data in "$1"/obj/"$folder"/*.gcda; do
        [ -e "$data" ] && gcov -n -o "$(dirname "$data")" "$data" 2>/dev/null
    done | awk -v folder="$folder" '/^File/ { mine = index($0, "'"'"'" folder "/") } /^Lines executed/ && mine {
        split($2, part, ":"); sub("%", "", part[2]); lines += $4; hit += $4 * part[2] / 100; mine = 0 }
        END { if (lines) printf "%-16s %5.1f %% of %d lines\n", folder, 100 * hit / lines, lines }'
done
