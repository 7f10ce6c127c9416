"""Issues and redeems one-time codes."""
