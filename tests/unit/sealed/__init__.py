"""Values that are sealed for other systems."""
