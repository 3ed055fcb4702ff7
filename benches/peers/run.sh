#!/bin/sh
# `make bench`, end to end: installs the peers when missing, builds the gateway as operators run it, measures.
# Arguments go to the measuring program (`--help` lists them, `--write` puts the report into benches/README.md); so do
# ROUNDS, SECONDS_PER_RUN, CONNECTIONS, CASES, PEERS, EDGE, PROXY_CORE and LOAD_CORE from the environment.
set -eu
cd "$(dirname "$0")/../.."

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Daemons live in /usr/sbin, which is not in everybody's PATH.
PATH="$PATH:/usr/sbin:/sbin"
missing=""
for package in nginx haproxy; do
    command -v "$package" >/dev/null || missing="$missing $package"
done
command -v taskset >/dev/null && command -v setpriv >/dev/null || missing="$missing util-linux"
if [ -n "$missing" ]; then
    echo "installing from Debian:$missing" >&2
    as_root apt-get update -q >&2
    # shellcheck disable=SC2086  # a list of words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >&2
    # Debian starts what it installs; the bench wants only the programs.
    if [ -d /run/systemd/system ]; then
        for package in $missing; do
            case "$package" in
                nginx | haproxy) as_root systemctl disable --now "$package" >&2 ;;
            esac
        done
    fi
fi

if [ -z "${EDGE:-}" ]; then
    cargo build --profile dist -p mcphub-gateway --bin mcphub-edge
fi
exec cargo run --quiet --profile dist -p mcphub-benches --bin peers -- "$@"
