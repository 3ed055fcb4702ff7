#!/bin/sh
# Runs every fuzz target, or those named, for so many seconds each, and fails if one of them crashes.
#
#   fuzz/run.sh SECONDS [TARGET...]
#
# libFuzzer on the stable toolchain: the compiler's coverage pass is switched on by plain flags, libFuzzer itself is
# built from the crate that carries its sources. What it needs besides Rust is a C++ compiler, installed when missing.
#
# Inputs worth keeping grow in target/fuzz/corpus; a crash leaves its input in target/fuzz/crashes. To see one again:
#   target/fuzz/HOST/release/TARGET target/fuzz/crashes/TARGET/crash-...
# Copy what was worth fixing into fuzz/seeds/TARGET.
set -eu

seconds=${1:?usage: fuzz/run.sh SECONDS [TARGET...]}
shift
here=$(cd "$(dirname "$0")" && pwd)
out=${FUZZ_TARGET_DIR:-$here/../target/fuzz}
mkdir -p "$out"
out=$(cd "$out" && pwd)

if ! command -v c++ >/dev/null 2>&1; then
    echo "installing g++ (libFuzzer is C++)"
    if [ "$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi
    $sudo apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends g++
fi

host=$(rustc -vV | sed -n 's/^host: //p')
# Not --locked: a crate of the project that gains a dependency adds it to this lockfile, the rest stays as it is.
# With --target these flags reach the targets alone, not build scripts and macros.
coverage="-Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares"
RUSTFLAGS=$(echo $coverage) CARGO_TARGET_DIR=$out \
    cargo build --release --target "$host" --manifest-path "$here/Cargo.toml"

targets=${*:-$(ls "$here/targets" | sed 's/\.rs$//')}
failed=
for target in $targets; do
    case $target in
        mcp_peek | session_ids) dict=json ;;
        mcp_sse) dict=sse ;;
        http1_*) dict=http ;;
        conf_*) dict=toml ;;
        *) dict=headers ;;
    esac
    corpus=$out/corpus/$target
    crashes=$out/crashes/$target
    log=$out/$target.log
    mkdir -p "$corpus" "$crashes"
    # A single input may take 5 s and the whole 1 GiB: a stranger must not be able to ask for more.
    if "$out/$host/release/$target" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -max_len=8192 \
        -dict="$here/dict/$dict.dict" -artifact_prefix="$crashes/" -print_final_stats=1 \
        "$corpus" "$here/seeds/$target" >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
        echo "$target: $runs executions in $seconds s, $edges edges, no crash"
    else
        echo "$target: CRASHED; the input is in $crashes, the log in $log"
        tail -25 "$log"
        failed="$failed $target"
    fi
done
if [ -n "$failed" ]; then
    echo "crashed:$failed"
    exit 1
fi
