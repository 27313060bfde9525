"""Decoding of audio and pictures."""
