"""Contexts in which a match is not personal."""
