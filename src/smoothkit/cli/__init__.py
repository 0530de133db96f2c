"""Command lines: thin front ends."""
