"""Experiments: which variant a session gets, and whether one variant is better than another."""
