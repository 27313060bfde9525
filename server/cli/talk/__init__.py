"""`vestibule talk`: the reference client for conversations."""
