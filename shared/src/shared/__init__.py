"""What the four services have in common."""
