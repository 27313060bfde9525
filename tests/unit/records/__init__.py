"""Sessions and records."""
