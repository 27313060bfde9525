"""Muting of personal words in a recording."""
