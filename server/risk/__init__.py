"""The risk that a running session is abandoned, from what happened in it up to now."""
