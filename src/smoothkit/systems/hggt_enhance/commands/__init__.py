"""Commands of this system: one module each, found by ``python -m smoothkit``."""
