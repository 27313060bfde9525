"""Recognizers of national identifiers and documents."""
