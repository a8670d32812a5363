#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Lifts the brows of the portrait while the voice is loud. See README.md for the variables.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

PORTRAIT=${PORTRAIT:-$root/tests/data/portrait-grace-hopper.jpg}
SOURCE=${SOURCE:-$root/tests/data/speech-af_heart.wav}
OUTPUT=${OUTPUT:-edit-landmarks.mp4}
target=${CARGO_TARGET_DIR:-$root/target}/debug
export GST_PLUGIN_PATH=${GST_PLUGIN_PATH:-$target}

[ -x "$target/edit-landmarks" ] || cargo build --quiet --manifest-path "$here/Cargo.toml"
"$target/edit-landmarks" "$PORTRAIT" "$SOURCE" "$OUTPUT"
echo "wrote $OUTPUT"
