"""E-mail and SMS."""
