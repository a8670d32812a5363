# SPDX-License-Identifier: MIT OR Apache-2.0
"""From features to landmarks."""
