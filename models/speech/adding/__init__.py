"""Adds Whisper models that are not pinned: read as if hostile, checked, and written anew in CTranslate2's form."""
