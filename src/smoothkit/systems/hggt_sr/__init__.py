"""Super-resolution from positive and negative ground truths.

Source: Chen et al., "Human Guided Ground-truth Generation for Realistic Image Super-resolution",
CVPR 2023, arXiv 2303.13069. Networks, losses, labels and data of its training part; ``reference``
reads the published option files. Where this differs from the published code is said in place.
"""
