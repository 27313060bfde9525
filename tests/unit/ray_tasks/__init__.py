"""The Ray layer without Ray."""
