"""Recognizers of passwords, codes and keys."""
