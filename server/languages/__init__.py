"""Texts and numbers in the languages that people read: English, German and Spanish."""
