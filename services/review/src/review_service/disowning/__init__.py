"""Notices whose readers said that they are not theirs: the school's administrator looks into it."""
