"""Merging of spans and the operators that replace them."""
