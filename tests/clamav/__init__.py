"""Tests against the real daemon of ClamAV."""
