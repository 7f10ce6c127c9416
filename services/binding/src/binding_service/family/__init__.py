"""The family around an account: its children, their other guardians, and what is kept about the parent."""
