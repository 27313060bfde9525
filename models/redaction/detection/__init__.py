"""Runs the recognizers on every normalized view of a text."""
