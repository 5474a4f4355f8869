#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what Weir needs to be built, run and tested on Debian 12, if something is missing. Root, or sudo.
set -eu
packages='gcc make pkg-config binutils libc6-dev
    libpcre2-dev libevent-dev libyaml-dev libsqlite3-dev libzstd-dev zlib1g-dev libcurl4-openssl-dev libssl-dev
    libcmocka-dev python3 python3-pytest python3-pytest-xdist python3-boto3 python3-jsonschema python3-yaml awscli openssl curl jq procps zstd gzip sqlite3'
[ "${1:-}" = lint ] && packages="$packages clang clang-format clang-tidy cppcheck shellcheck mandoc"
[ "${1:-}" = fuzz ] && packages="$packages clang libclang-rt-14-dev"
[ "${1:-}" = sdk ] && ! command -v npm >/dev/null && packages="$packages nodejs npm"
# What `make bench` measures beside Weir, and starts itself: none of them is to run as a service.
services='nats-server rabbitmq-server redis-server'
[ "${1:-}" = bench ] && packages="$packages $services libnats-dev librabbitmq-dev"

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

# Debian starts a service as it installs it, unless this program forbids it.
policy=/usr/sbin/policy-rc.d
if [ "${1:-}" = bench ] && [ ! -e "$policy" ]; then
    trap '$sudo rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
    $sudo chmod 755 "$policy"
fi
# shellcheck disable=SC2086 # a list of words
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
for service in $services; do # nor is it to start with the machine
    case " $missing " in
    *" $service "*) ! command -v systemctl >/dev/null || $sudo systemctl disable -q "$service" 2>/dev/null || true ;;
    esac
done
