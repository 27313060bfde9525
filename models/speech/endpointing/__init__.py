"""Where speech begins, pauses and ends."""
