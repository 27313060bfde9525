"""Tests of the funnel."""
