"""Redaction policies: what is found, and what is written in its place."""
