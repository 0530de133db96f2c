"""Metrics that two or more systems share."""
