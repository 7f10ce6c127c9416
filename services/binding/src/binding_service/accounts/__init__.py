"""The parents' accounts."""
