"""One entity a file."""
