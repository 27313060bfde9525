"""Identifiers and telephone regions of countries, as data."""
