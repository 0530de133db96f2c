"""Data sets and loading."""
