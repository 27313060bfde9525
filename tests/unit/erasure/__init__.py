"""Erasure on request and by age."""
