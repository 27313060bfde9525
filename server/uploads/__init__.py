"""Uploads: received, checked, and kept encrypted until they are read."""
