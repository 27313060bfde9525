"""Public keys of other systems, and which values of a session are sealed to them."""
