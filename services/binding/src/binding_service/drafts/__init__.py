"""The four steps: an application while it is filled in."""
