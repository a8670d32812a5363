# SPDX-License-Identifier: MIT OR Apache-2.0
"""Models of the packs: data, training, export, conversion."""
