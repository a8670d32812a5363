#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Builds the plugin and copies it to OUTPUT. Usage: build-plugin.sh PROFILE CARGO_C OUTPUT
set -euo pipefail
profile=$1 cargo_c=$2 output=$(realpath "$3")
cd "$(dirname "$0")/.."

# Downloads libtorch unless it is there or LIBTORCH is set; leaves the system's packages to the packager.
cargo xtask setup --skip-packages

target=${CARGO_TARGET_DIR:-target}
if [ "$cargo_c" = auto ]; then
    cargo_c=no
    if [ "$profile" = release ] && cargo cbuild --version >/dev/null 2>&1; then cargo_c=yes; fi
fi
if [ "$cargo_c" = yes ]; then
    cargo cbuild --package gst-plugin-portrait --profile "$profile" --library-type cdylib
    triple=$(rustc -vV | sed -n 's/^host: //p')
    folder=$target/$triple/$([ "$profile" = dev ] && echo debug || echo release)
elif [ "$profile" = dev ]; then
    # As the tests build it: with fewer members cargo would choose other features of shared crates and start anew.
    cargo build --workspace
    folder=$target/debug
else
    cargo build --package gst-plugin-portrait --profile "$profile"
    folder=$target/$profile
fi
cp "$folder/libgstportrait.so" "$output"
