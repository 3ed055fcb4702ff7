#!/bin/sh
# Builds one tarball for operators under <build folder>/dist: the binary, the sample configurations, shell completions,
# the manual page, the licence, the README, and the checksums of all of them.
set -eu
cd "$(dirname "$0")/../.."

dist=${CARGO_TARGET_DIR:-target}/dist
cargo build --profile dist --package mcphub-gateway --bin mcphub-edge

version=$("$dist/mcphub-edge" --version | awk '{ print $2 }')
host=$(rustc -vV | sed -n 's/^host: //p')
name=mcphub-edge-$version-$host
stage=$dist/stage/$name

rm -rf "$dist/stage"
mkdir -p "$stage/completions" "$stage/man"
install -m 0755 "$dist/mcphub-edge" "$stage/mcphub-edge"
cp -R conf/samples "$stage/samples"
cp LICENSE README.md "$stage/"
"$dist/mcphub-edge" completions bash >"$stage/completions/mcphub-edge.bash"
"$dist/mcphub-edge" completions zsh >"$stage/completions/_mcphub-edge"
"$dist/mcphub-edge" completions fish >"$stage/completions/mcphub-edge.fish"
"$dist/mcphub-edge" man >"$stage/man/mcphub-edge.1"
(cd "$stage" && find . -type f ! -name SHA256SUMS | LC_ALL=C sort | xargs sha256sum >SHA256SUMS)

# The same tree gives the same bytes: names sorted, owners and times fixed.
time=$(git log -1 --format=%ct 2>/dev/null || echo 0)
tar -C "$dist/stage" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$time" -cf - "$name" \
    | gzip -9n >"$dist/$name.tar.gz"
(cd "$dist" && sha256sum "$name.tar.gz" | tee "$name.tar.gz.sha256")
rm -rf "$dist/stage"
