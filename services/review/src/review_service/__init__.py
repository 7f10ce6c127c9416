"""The teachers' pages and decisions."""
