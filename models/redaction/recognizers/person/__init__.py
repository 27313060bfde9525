"""Recognizers of names, ages and birth dates."""
