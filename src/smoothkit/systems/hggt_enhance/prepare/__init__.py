"""Data tools of HGGT, one module each."""
