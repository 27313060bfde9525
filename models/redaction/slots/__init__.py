"""Slot tagging: which words of a spoken text are parts of personal values, and which numbers are harmless."""
