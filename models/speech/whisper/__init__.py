"""Whisper engines behind one protocol."""
