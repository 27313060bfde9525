"""Tests of models that are added."""
