"""Interceptors and mappings of the wire."""
