"""Applications that came on paper: entered by the administrator, checked by binding."""
