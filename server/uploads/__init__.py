"""Taking bytes in, and keeping them encrypted."""
