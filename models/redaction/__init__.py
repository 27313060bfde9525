"""Finding and replacing what identifies a person."""
