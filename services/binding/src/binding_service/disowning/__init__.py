"""This is not mine: what the reader of a notice says by the link at its foot."""
