"""Image enhancement for human-guided ground truths.

Source: Chen et al., "Human Guided Ground-truth Generation for Realistic Image Super-resolution",
CVPR 2023, arXiv 2303.13069.
"""
