#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Inside of a clean Debian: the archive, for a user who is not root.
set -euo pipefail
# shellcheck source=tests/packages/film.sh
source /check/film.sh
quiet_apt update
quiet_apt install --no-install-recommends gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
    gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav zstd
useradd --create-home ada
chmod -R a+rX /check
cat >/tmp/user.sh <<'USER'
set -euo pipefail
source /check/film.sh
cd
tar -xf /check/gst-portrait-*.tar.zst
start=$SECONDS
gst-portrait-*/install.sh
echo "install.sh took $((SECONDS - start)) s"
rm -rf gst-portrait-*
inspect
launch demo.mp4
.local/bin/portrait-animate /check/photo.jpg /check/speech.wav --output film.mp4
is_film film.mp4
rm demo.mp4 film.mp4
tar -xf /check/gst-portrait-*.tar.zst
# Again over the first: then nothing is twice, and all of it goes.
gst-portrait-*/install.sh >/dev/null
gst-portrait-*/install.sh --uninstall
rm -rf gst-portrait-* .cache
left=$(find . -path ./.local\* | sort)
[ -z "$left" ] || fail "install.sh --uninstall leaves $left"
echo "install.sh --uninstall leaves nothing"
USER
chmod a+r /tmp/user.sh
setpriv --reuid=ada --regid=ada --init-groups env HOME=/home/ada bash /tmp/user.sh
