"""Spoken clips and photographs that the tests and the demo use, and the script that makes them."""
