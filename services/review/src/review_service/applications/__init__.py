"""Applications: the inbox, one case, and the decision on it."""
