#!/bin/sh
# What the control plane costs. Arguments go to the measuring program (`--help` lists them, `--write` puts the report into
# benches/README.md); so does ROUNDS from the environment.
set -eu
cd "$(dirname "$0")/../.."
exec cargo run --quiet --profile dist -p mcphub-benches --bin control -- "$@"
