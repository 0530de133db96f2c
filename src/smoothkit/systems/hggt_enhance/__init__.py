"""Enhancement of ground truths: the first steps of human-guided ground-truth generation.

Source: Chen et al., "Human Guided Ground-truth Generation for Realistic Image Super-resolution",
CVPR 2023, arXiv 2303.13069. Networks and data of its enhancement models; ``reference`` reads the
published option files. Where this differs from the published code is said in place.
"""
