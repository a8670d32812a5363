# SPDX-License-Identifier: MIT OR Apache-2.0
"""Tests of the Python package with the plugin of a build: GST_PLUGIN_PATH=target/debug /usr/bin/python3 -m pytest python

They need the distribution's python3-gi and numpy.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
