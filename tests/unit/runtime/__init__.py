"""Housekeeping, folders and the life of the process."""
