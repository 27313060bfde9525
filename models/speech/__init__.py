"""Speech to text on local weights."""
