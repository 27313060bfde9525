"""Recognizers of postal addresses."""
