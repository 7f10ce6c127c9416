"""Classes and schools: who is bound and who is missing, and who stands in for whom."""
