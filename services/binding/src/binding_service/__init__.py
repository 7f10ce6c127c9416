"""The gateway: parents' API and pages, applications, accounts, roster."""
