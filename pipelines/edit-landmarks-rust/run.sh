#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Lifts the brows of the portrait while the voice is loud. See README.md for the variables.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=pipelines/common.sh
source "$here/../common.sh"
OUTPUT=${OUTPUT:-edit-landmarks.mp4}
recording

program=${CARGO_TARGET_DIR:-$root/target}/debug/edit-landmarks
[ -x "$program" ] || cargo build --quiet --manifest-path "$here/Cargo.toml"
# The program moves its film in place; Ctrl-C ends it at once, and what it has written until then goes.
writes PORTRAIT SOURCE
run "$program" "$PORTRAIT" "$SOURCE" "$OUTPUT"
