"""A real local Ray cluster."""
