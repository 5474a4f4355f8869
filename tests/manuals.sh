#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fills the tables of the manual pages: what stands between `.\" @table NAME` and `.\" @end` is what
# `weir schema --mdoc NAME` prints; in README.md, between `<!-- @operations -->` and `<!-- @end -->`, what
# `weir schema --operations` prints.
# usage: tests/manuals.sh fill|check      check: changes nothing; exit 1 if a page is stale
set -eu
cd "$(dirname "$0")/.."
weir=${BUILD:-build}/weir
filled=$(mktemp)
trap 'rm -f "$filled"' EXIT
stale=0
for page in router/*.[1-8] rules/*.[1-8] matcher/*.[1-8] README.md; do
    inside=
    while IFS= read -r line; do
        case $line in
        '.\" @end' | '<!-- @end -->') inside= ;;
        esac
        [ -n "$inside" ] || printf '%s\n' "$line"
        case $line in
        '.\" @table '*)
            inside=yes
            "$weir" schema --mdoc "${line##* }" || exit 70
            ;;
        '<!-- @operations -->')
            inside=yes
            "$weir" schema --operations || exit 70
            ;;
        esac
    done <"$page" >"$filled"
    if [ -n "$inside" ]; then
        echo "$page: a table without its @end" >&2
        exit 65
    elif cmp -s "$filled" "$page"; then
        continue
    elif [ "${1:-fill}" = check ]; then
        echo "$page is stale; make manuals fills its tables:" >&2
        diff -u "$page" "$filled" >&2 || true
        stale=1
    else
        cat "$filled" >"$page"
        echo "  fill $page"
    fi
done
exit $stale
