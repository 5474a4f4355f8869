#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what Weir needs to be built, run and tested on Debian 12, if something is missing. Root, or sudo.
set -eu
packages='gcc make pkg-config binutils libc6-dev
    libpcre2-dev libevent-dev libyaml-dev libsqlite3-dev libzstd-dev zlib1g-dev libcurl4-openssl-dev libssl-dev
    libcmocka-dev python3 python3-pytest python3-boto3 python3-jsonschema python3-yaml awscli curl jq procps zstd gzip sqlite3'
[ "${1:-}" = lint ] && packages="$packages clang clang-format clang-tidy cppcheck shellcheck mandoc"
[ "${1:-}" = fuzz ] && packages="$packages clang libclang-rt-14-dev"

missing=
for package in $packages; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
echo "installing:$missing"
sudo=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "these packages are missing, and neither root nor sudo is here to install them:$missing" >&2; exit 1; }
    sudo=sudo
fi
$sudo apt-get update -qq
# shellcheck disable=SC2086 # a list of words
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
