"""Telling reviewers what waits for them."""
