"""Folders, memory allocation and the life of the process."""
