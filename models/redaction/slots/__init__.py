"""Slot tagging: which words of a spoken text are parts of personal values."""
