#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Installs a package in a clean root file system of Debian, uses it and removes it.
# Usage: check.sh SUITE deb|tarball|wheel PACKAGE. Needs root and mmdebstrap; MIRROR names a mirror of Debian's packages.
set -euo pipefail
suite=$1 kind=$2 package=$(realpath "$3")
root=$(cd "$(dirname "$0")/../.." && pwd)
mirror=${MIRROR:-http://deb.debian.org/debian}
cache=${CARGO_TARGET_DIR:-$root/target}/dist/roots
mkdir -p "$cache"

start=$SECONDS
# A root file system is made once, and unpacked for each check.
if [ ! -s "$cache/$suite.tar" ]; then
    # The name of a part says nothing of its format.
    mmdebstrap --quiet --variant=minbase --format=tar "$suite" "$cache/$suite.tar.part" "$mirror"
    mv "$cache/$suite.tar.part" "$cache/$suite.tar"
fi
work=$(mktemp -d "$cache/check-XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
tar -C "$work" -xf "$cache/$suite.tar"
mkdir -p "$work/check"
cp -L /etc/resolv.conf "$work/etc/resolv.conf"
cp "$package" "$root/tests/packages/$kind.sh" "$root/tests/packages/film.sh" "$work/check/"
cp "$root/tests/data/portrait-grace-hopper.jpg" "$work/check/photo.jpg"
# Two seconds of speech; wavparse takes a file that was cut.
head -c 64044 "$root/tests/data/speech-af_heart.wav" >"$work/check/speech.wav"
cp "$root/tests/packages/stream.py" "$root/python/pyproject.toml" "$root/README.md" "$work/check/"
cp -r "$root/tests/golden/inspect" "$work/check/inspect"
echo "The root file system of $suite took $((SECONDS - start)) s"

# Mounts and processes of its own: they go with the last of them, and the folder can be removed.
# shellcheck disable=SC2016
unshare --mount --pid --fork bash -c '
    set -e
    mount --make-rprivate /
    mount -t proc proc "$1/proc"
    mount -t tmpfs tmpfs "$1/tmp"
    mount --rbind /dev "$1/dev"
    exec chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive bash "/check/$2.sh"' - "$work" "$kind"
echo "$kind on $suite: passed in $((SECONDS - start)) s, $(du -sm "$work" | cut -f1) MB in all"
