"""One script a claim; each prints the peer beside Vestibule in one run."""
