# SPDX-License-Identifier: MIT OR Apache-2.0
"""What is heard: log-mel and encoder tokens."""
