"""Tests of a token classifier that an operator adds."""
