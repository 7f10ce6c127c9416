"""What the pages of all services share: manners, safety headers, templates and the look."""
