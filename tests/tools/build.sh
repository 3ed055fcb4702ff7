#!/bin/sh
# Builds what `make run` starts, and tells how far it is: on a terminal cargo draws its own bar, elsewhere one line is
# printed now and then instead of hundreds.
set -eu
cd "$(dirname "$0")/../.."

build() { cargo build --release --package mcphub-gateway --bin mcphub-edge "$@"; }

if [ -t 2 ]; then
    echo "Building MCPHub Edge. The first time takes a few minutes." >&2
    build
    exit
fi

echo "Building MCPHub Edge. The first time takes a few minutes; a line follows for every 50 crates." >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if { build 2>&1; echo "$?" >"$log"; } | awk '
    { last[NR % 40] = $0 }
    /^ *Compiling / { if (++crates % 50 == 0) print "  " crates " crates compiled" > "/dev/stderr" }
    /^ *Finished / { print > "/dev/stderr" }
    /^error/ { failed = 1 }
    END { if (failed) for (i = NR - 39; i <= NR; i++) if (i > 0) print last[i % 40] > "/dev/stderr" }
'; then
    exit "$(cat "$log")"
fi
exit 1
