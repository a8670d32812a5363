"""LivePortrait as a pack."""
