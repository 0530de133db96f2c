"""Losses that two or more systems share."""
