#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Inside of a clean Debian: the wheel, in a virtual environment with the distribution's python3-gi.
set -euo pipefail
# shellcheck source=tests/packages/film.sh
source /check/film.sh
quiet_apt update
quiet_apt install --no-install-recommends python3-venv python3-gi python3-numpy gir1.2-gst-plugins-base-1.0 \
    gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad \
    gstreamer1.0-plugins-ugly
python3 -m venv --system-site-packages /tmp/venv
start=$SECONDS
# What it depends on is there: the distribution's numpy.
/tmp/venv/bin/pip install --quiet --no-index --disable-pip-version-check /check/gst_portrait-*.whl
echo "pip install took $((SECONDS - start)) s"
cd /tmp
said=$(venv/bin/python -m gst_portrait doctor) && fail "doctor does not miss avenc_aac: $said"
grep -q "^MISSING  element avenc_aac: install gstreamer1.0-libav (.sudo apt-get install gstreamer1.0-libav.)" <<<"$said" ||
    fail "$said"
quiet_apt install --no-install-recommends gstreamer1.0-libav
venv/bin/python -m gst_portrait doctor || fail "doctor"
venv/bin/python -m gst_portrait animate /check/photo.jpg /check/speech.wav --output film.mp4
is_film film.mp4
eval "$(venv/bin/python -m gst_portrait env)"
inspect
unset GST_PLUGIN_PATH
timeout 300 venv/bin/python /check/stream.py /check/photo.jpg /check/speech.wav /check/README.md || fail "stream.py"
is_film film.mp4
# As whoever uses it does: the types are those of the installed package.
quiet_apt install --no-install-recommends mypy
for module in lines-0.py lines-1.py "-p gst_portrait"; do
    # shellcheck disable=SC2086
    mypy --strict --config-file /check/pyproject.toml --python-executable venv/bin/python $module || fail "mypy $module"
done
venv/bin/pip uninstall --yes --quiet gst-portrait
find venv -name '*gst_portrait*' -o -name '*gstportrait*' | grep . && fail "pip uninstall leaves these"
echo "pip uninstall leaves nothing"
