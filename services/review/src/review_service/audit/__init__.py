"""Who did or looked at what."""
