"""Inverse text normalization: spoken numbers, addresses and spellings as they are written."""
