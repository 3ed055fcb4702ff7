#!/bin/sh
# Do clients notice that a model is being made? A fixed rate of requests through a gateway, in alternating rounds without
# and with `predictor train` on the very core that the gateway has, at the priority that the gateway gives to learning.
# Prints microseconds. From the environment: EDGE and PEERS (programs, as `make bench` builds them), ROUNDS, SECONDS_PER_RUN,
# PROXY_CORE and LOAD_CORE.
set -eu
cd "$(dirname "$0")/../.."
target=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)
EDGE=${EDGE:-$target/dist/mcphub-edge}
PEERS=${PEERS:-$target/release/peers}
scratch=$(mktemp -d)
children=""
# shellcheck disable=SC2086  # a list of words
trap 'kill -CONT $children 2>/dev/null; kill $children 2>/dev/null; wait; rm -rf "$scratch"' EXIT INT TERM

# The bench's configuration without its TLS listener, which would want a certificate.
awk '/^\[\[listener\]\]/ { held = $0; next } held != "" { if (/18413/) { skip = 1 } else { print held }; held = "" }
     /^\[admin\]/ { skip = 0 } !skip { print }' benches/peers/edge.toml >"$scratch/edge.toml"
"$EDGE" predictor simulate --out "$scratch/hubs" --hubs 24 --days 6 >/dev/null

taskset -c "${LOAD_CORE:-1}" "$PEERS" hub --listen 127.0.0.1:18400 >/dev/null 2>&1 &
hub=$!
(cd "$scratch" && exec taskset -c "${PROXY_CORE:-0}" "$EDGE" run --config edge.toml >edge.log 2>&1) &
gateway=$!
nice -n 19 taskset -c "${PROXY_CORE:-0}" "$EDGE" predictor train --data "$scratch/hubs" --out "$scratch/hubs.model" >/dev/null 2>&1 &
training=$!
kill -STOP "$training"
children="$hub $gateway $training"
sleep 2

round() {
    taskset -c "${LOAD_CORE:-1}" "$PEERS" load --target 127.0.0.1:18403 --case rate-modern --connections 64 --in-flight 64 \
        --warmup 0.5 --window "${SECONDS_PER_RUN:-3}" --hub "$hub" --proxy "$gateway" |
        sed -E 's/.*"errors":([0-9]+).*"p50":([0-9.]+),"p99":([0-9.]+).*/p50 \2  p99 \3  errors \1/'
}
for number in $(seq "${ROUNDS:-5}"); do
    echo "round $number, no training:  $(round)"
    kill -CONT "$training"
    echo "round $number, training:     $(round)"
    kill -STOP "$training"
done
ticks=$(awk '{ print $14 + $15 }' "/proc/$training/stat")
echo "the training used $((ticks / $(getconf CLK_TCK))) s of CPU meanwhile"
