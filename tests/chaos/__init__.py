"""Kills what can be killed while real clients work, and counts afterwards what was lost, done twice, or leaked."""
