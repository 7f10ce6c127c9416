"""Signing in: accounts of teachers, and their sessions."""
