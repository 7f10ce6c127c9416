"""Objections of guardians to other guardians of their child: the school's administrator deals with them."""
