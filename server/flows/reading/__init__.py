"""Reads answers from redacted text: one module for each kind of field, without a model."""
