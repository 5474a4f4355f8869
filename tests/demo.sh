#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make demo: Weir's main job in under a minute. Starts a router on loopback with the rules of rules/examples/demo, sends sample
# CloudTrail and S3 events, shows what went where, replays a window of the archive, stops.
set -euo pipefail
cd "$(dirname "$0")/.."
weir=$PWD/${BUILD:-build}/weir
rules=rules/examples/demo
work=$(mktemp -d)
router=
stop() {
    [ -z "$router" ] || { kill -TERM "$router" 2>/dev/null && wait "$router"; } || true
    rm -rf "$work"
}
trap stop EXIT

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '  $ %s\n' "$1"; }

cp -r "$rules" "$work/rules"
# Where the function writes down what it did, for the end of this demo.
sed -i "s|command: \[./thumbs\]|&, environment: {THUMBS_LOG: $work/thumbs.log}|" "$work/rules/weir.yaml"

say "1. The rules ($rules/weir.yaml) are checked and the router is started"
show "weir check weir.yaml"
"$weir" check "$work/rules/weir.yaml" | sed "s|$work/rules/||; s/^/  /"
show "weir run -c weir.yaml"
"$weir" run -c "$work/rules/weir.yaml" --listen 127.0.0.1:0 >"$work/out" 2>"$work/log" &
router=$!
for _ in $(seq 100); do
    grep -q listening "$work/out" && break
    kill -0 $router 2>/dev/null || { cat "$work/log"; exit 1; }
    sleep 0.1
done
WEIR_URL=$(grep -o 'http://[0-9.:]*' "$work/out" | head -n 1)
export WEIR_URL
sed "s|$work/rules/||g; s/^/  /" "$work/out"

say "2. Events go in: an audit log (12 calls) and 5 storage notifications"
show "weir send --bus audit cloudtrail.json.gz"
gzip -k "$work/rules/cloudtrail.json"
"$weir" send --bus audit "$work/rules/cloudtrail.json.gz" | sed 's/^/  /'
show "weir send s3.json"
"$weir" send "$work/rules/s3.json" | sed 's/^/  /'

settled() { # nothing waits for dispatch and nothing is owed
    "$weir" status --json | jq -e '.journal.lag == 0 and ([.targets[].owed] | add // 0) == 0' >/dev/null
}
for _ in $(seq 100); do
    settled && sleep 0.3 && settled && break
    sleep 0.1
done

say "3. What went where"
show "weir status"
"$weir" status | sed 's/^/  /'

say "4. The alerts, as a client of the queue sees them"
show "weir queues receive alert-queue --delete --all"
"$weir" queues receive alert-queue --delete --all |
    jq -r '(if .Type == "Notification" then .Message | fromjson else . end) | "  \(.time)  \(.detail.eventName)  by \(.detail.userIdentity.arn // .detail.userIdentity.invokedBy)  from \(.detail.sourceIPAddress)"'
say "   the function ran for the pictures:"
sed 's/^/  /' "$work/thumbs.log"
say "   and what could not be delivered is parked with its reason, not lost:"
show "weir dlq show parked"
"$weir" dlq show parked | sed 's/^/  /'

say "5. Ten minutes of the archive again, to one rule only"
show "weir replay audit-all --from 2026-11-20T08:00:00Z --to 2026-11-20T08:10:00Z --rule access-denied --dry-run"
"$weir" replay audit-all --from 2026-11-20T08:00:00Z --to 2026-11-20T08:10:00Z --rule access-denied --dry-run | sed 's/^/  /'
show "weir replay audit-all --from 2026-11-20T08:00:00Z --to 2026-11-20T08:10:00Z --rule access-denied"
"$weir" replay audit-all --from 2026-11-20T08:00:00Z --to 2026-11-20T08:10:00Z --rule access-denied | sed 's/^/  /'
for _ in $(seq 100); do
    settled && break
    sleep 0.1
done
show "weir queues receive alert-queue --delete --all"
"$weir" queues receive alert-queue --delete --all | jq -r '"  \(.["replay-name"])  \(.detail.eventName)  \(.detail.errorCode)"'

say "6. The router is stopped; what it holds stays on disk"
show "kill -TERM"
kill -TERM $router
wait $router
router=
printf '  it ended cleanly\n\n'
