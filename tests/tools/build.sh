#!/bin/sh
# Builds what `make run` starts, and tells how far it is: on a terminal cargo draws its own bar, elsewhere one line is
# printed now and then instead of hundreds.
set -eu
cd "$(dirname "$0")/../.."

build() { cargo build --release --package mcphub-gateway --bin mcphub-edge "$@"; }

echo "Building MCPHub Edge. The first time takes a few minutes." >&2
if [ -t 2 ]; then
    build
    exit
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
{ build 2>&1 || : >"$folder/failed"; } | {
    crates=0
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$folder/log"
        case $line in
            *' Compiling '*)
                crates=$((crates + 1))
                if [ $((crates % 40)) -eq 0 ]; then echo "  $crates crates so far" >&2; fi
                ;;
            *' Finished '*) echo "$line" >&2 ;;
        esac
    done
}
if [ -e "$folder/failed" ]; then
    tail -n 40 "$folder/log" >&2
    exit 1
fi
