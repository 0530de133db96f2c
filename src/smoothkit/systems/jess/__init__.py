"""JESS-Net."""
