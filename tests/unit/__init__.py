"""No Ray, no network, no sleep."""
