"""Hand-written fakes, one a Protocol."""
