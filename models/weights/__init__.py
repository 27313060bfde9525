"""Model weights: the pinned list, where they come from, and the cache on disk."""
