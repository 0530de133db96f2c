"""Pure functions on images: no state, no options."""
