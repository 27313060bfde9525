"""The fuzzer itself, and what it found."""
