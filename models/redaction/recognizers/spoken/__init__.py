"""Recognizers of values that are dictated or answered."""
