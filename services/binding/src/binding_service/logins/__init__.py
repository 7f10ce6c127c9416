"""Who is there: login by a code, and sessions."""
