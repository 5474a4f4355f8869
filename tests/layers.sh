#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The include order: matcher <- targets <- rules <- router. Prints each include against it; exit 1 if there is one.
set -eu
cd "$(dirname "$0")/.."
bad=0
check() { # FOLDER ALLOWED…
    folder=$1
    shift
    allowed=$(printf '%s|' "$@")
    found=$(grep -rnE '^#include "' "$folder" --include='*.c' --include='*.h' | grep -vE "#include \"(${allowed%|})/" || true)
    if [ -n "$found" ]; then
        printf 'against the include order (%s may use: %s):\n%s\n' "$folder" "$*" "$found"
        bad=1
    fi
}
check matcher matcher
check targets targets matcher
check rules rules targets matcher
check router router rules targets matcher
# What a layer must not touch at all (DESIGN: no sockets, clock or log in the matcher; no YAML in targets; no threads in rules).
forbid() { # FOLDER PATTERN WHY
    found=$(grep -rnE "$2" "$1" --include='*.c' --include='*.h' || true)
    if [ -n "$found" ]; then
        printf '%s: %s:\n%s\n' "$1" "$3" "$found"
        bad=1
    fi
}
forbid matcher '#include <(sys/socket|time|syslog|pthread|event2/.*|yaml|sqlite3)\.?h?' 'no sockets, clock, log or threads here'
forbid targets '#include <yaml' 'no YAML here'
forbid rules '#include <(pthread|sys/socket|event2/.*)' 'no sockets or threads here'
exit $bad
