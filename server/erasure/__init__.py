"""Deletes what is no longer to be kept: on request, and by age."""
