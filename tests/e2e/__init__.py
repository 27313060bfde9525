"""The real server in its own process."""
