"""Redaction of text that is still growing."""
