"""Model weights and where they come from."""
