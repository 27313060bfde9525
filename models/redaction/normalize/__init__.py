"""Normalized forms of a text that keep their offsets into the original."""
