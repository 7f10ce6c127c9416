"""The page of the platform's operators: what was sent, what waits, what failed and why; and sending again."""
