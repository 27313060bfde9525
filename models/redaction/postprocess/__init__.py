"""Rules that extend, drop or add entities after recognition."""
