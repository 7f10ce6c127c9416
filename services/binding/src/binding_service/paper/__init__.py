"""The application on paper: a PDF to print, to keep and to check."""
