"""Decoding of audio and pictures, and the detection of their formats."""
