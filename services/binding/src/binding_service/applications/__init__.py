"""The four-step application, and what becomes of it."""
