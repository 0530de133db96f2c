"""CSGIS-Net: smoothing guided by contrast with undesired results and by semantic segmentation.

"Contrastive Semantic-Guided Image Smoothing Network", Computer Graphics Forum 41(7), 2022,
arXiv:2209.00977; code of reference: wangjie6866/CSGIS-Net.

Here: the variants of the smoothing network, the segmentation network that guides it, the terms of
contrast and of segmentation, the making of VOC-smooth, and what is known of the checkpoints. The
published smoothing network itself is JESS-Net with 12 blocks (``HDC_edge_refine``), which stands in
``systems.jess``; parts of both stand in ``archs``. How this differs from the published code is told
in docs/systems/csgis.md.
"""
