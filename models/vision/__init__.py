"""Reading and repainting pictures."""
