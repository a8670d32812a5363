"""SadTalker as a pack."""
