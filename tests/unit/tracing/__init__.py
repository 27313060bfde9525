"""Tests of ``models.tracing`` and of what exports spans."""
