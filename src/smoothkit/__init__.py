"""One pipeline for image smoothing, matting and super-resolution research systems."""

__version__ = "0.1.0"
