"""Named entity recognition with a local token classifier."""
