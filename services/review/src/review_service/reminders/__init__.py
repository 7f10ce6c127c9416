"""Telling those who review what waits."""
