#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Installs gst-portrait for one user, without root. Usage: install.sh [--prefix FOLDER] [--uninstall]
# The folder is ~/.local unless another one is named. GStreamer finds the plugin by a link in its folder of the user's
# plugins, ~/.local/share/gstreamer-1.0/plugins.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
prefix=$HOME/.local
uninstall=
while [ $# -gt 0 ]; do
    case $1 in
        --prefix) [ $# -ge 2 ] || { echo "error: --prefix needs a folder" >&2; exit 1; }
            prefix=$2; shift 2 ;;
        --uninstall) uninstall=1; shift ;;
        -h|--help) sed -n '2,4s/^# //p' "${BASH_SOURCE[0]}"; exit 0 ;;
        *) echo "error: $1 is no option: see --help" >&2; exit 1 ;;
    esac
done
prefix=$(realpath -m "$prefix")
list=$prefix/share/gst-portrait/files
link=${XDG_DATA_HOME:-$HOME/.local/share}/gstreamer-1.0/plugins/libgstportrait.so
plugin=$prefix/lib/gstreamer-1.0/libgstportrait.so

# Folders that nothing is in any more go, too.
remove() {
    local file dir
    while IFS= read -r file; do
        rm -f "$prefix/$file"
        dir=$(dirname "$file")
        while [ "$dir" != . ] && rmdir "$prefix/$dir" 2>/dev/null; do dir=$(dirname "$dir"); done
    done
}

take_away() {
    if [ "$(readlink "$link" 2>/dev/null)" = "$plugin" ]; then
        rm -f "$link"
        rmdir -p "$(dirname "$link")" 2>/dev/null || true
    fi
    [ -f "$list" ] || return 0
    local files
    files=$(cat "$list")
    { printf '%s\n' "$files"; echo share/gst-portrait/files; } | remove
}

if [ -n "$uninstall" ]; then
    [ -f "$list" ] || { echo "error: gst-portrait is not installed in $prefix" >&2; exit 1; }
    take_away
    rmdir "$prefix" 2>/dev/null || true
    echo "gst-portrait is gone from $prefix"
    exit 0
fi

[ "$(uname -m)" = x86_64 ] || { echo "error: this archive is for x86-64, this machine is $(uname -m)" >&2; exit 1; }
# An older one leaves first, with what a newer one no longer has.
take_away
mkdir -p "$prefix"
cp -R "$here/bin" "$here/lib" "$here/share" "$prefix/"
(cd "$here" && find bin lib share -type f | sort) >"$list"
mkdir -p "$(dirname "$link")"
ln -sfn "$plugin" "$link"
echo "gst-portrait is installed in $prefix."
if ! command -v gst-inspect-1.0 >/dev/null; then
    echo "GStreamer's tools are missing: Debian and Ubuntu have them in gstreamer1.0-tools, Fedora in gstreamer1."
elif ! gst-inspect-1.0 talkinghead >/dev/null 2>&1; then
    echo "error: GStreamer does not find the element talkinghead: GST_DEBUG=2 gst-inspect-1.0 talkinghead says why" >&2
    exit 1
fi
case :$PATH: in
    *":$prefix/bin:"*) ;;
    *) echo "Add $prefix/bin to PATH for portrait-animate." ;;
esac
