"""Adds token classifiers that are not pinned: read as if hostile, checked, and written anew."""
