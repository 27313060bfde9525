"""Runs a token classifier that the operator added; see docs/concepts/weights.md."""
