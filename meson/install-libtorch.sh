#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Copies libtorch's shared libraries. Usage: install-libtorch.sh FOLDER (relative to the prefix)
set -euo pipefail
from=${LIBTORCH:-$MESON_SOURCE_ROOT/.deps/libtorch}/lib
to=$MESON_INSTALL_DESTDIR_PREFIX/$1
echo "Installing libtorch from $from to $to"
mkdir -p "$to"
cp -L "$from"/*.so* "$to/"
