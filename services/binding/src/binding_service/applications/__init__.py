"""Applications that were sent, and what becomes of them."""
