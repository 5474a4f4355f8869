#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The AWS SDK for JavaScript, installed from npm into $BUILD/sdk, against a router of its own.
set -eu
build=${BUILD:-build}
weir=$(realpath "$build/weir")
mkdir -p "$build/sdk"
cp tests/sdk/* "$build/sdk/"
cd "$build/sdk"
[ -d node_modules/@aws-sdk/client-sqs ] || npm install --no-audit --no-fund --loglevel=error

rm -rf data out
"$weir" run -c weir.yaml --data data --listen 127.0.0.1:0 >out 2>log &
router=$!
trap 'kill $router 2>/dev/null; wait $router 2>/dev/null || true' EXIT
tries=0
until grep -q listening out; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { echo "weir run does not start:"; cat log; exit 1; } >&2
    sleep 0.1
done
WEIR_URL=$(sed -n 's/.*listening on \(http[^ ]*\).*/\1/p' out) node --test --test-reporter=spec sdk.test.mjs
