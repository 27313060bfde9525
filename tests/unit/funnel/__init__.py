"""Tests of the funnel's statistics."""
