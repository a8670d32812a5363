# SPDX-License-Identifier: MIT OR Apache-2.0
"""Speech for a pack whose generator has a motion extractor, learned from clips."""
