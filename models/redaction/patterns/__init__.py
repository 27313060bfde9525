"""Pattern recognizers and the prefilter that skips those that cannot match."""
