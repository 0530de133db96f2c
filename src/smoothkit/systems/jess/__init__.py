"""JESS-Net: joint edge detection and structure-preserving smoothing.

Feng et al., "Easy2Hard: Learning to Solve the Intractables From a Synthetic Dataset for
Structure-Preserving Image Smoothing", IEEE TNNLS 2021; code of reference: YidFeng/Easy2Hard.

Here: the four networks of that repository, the choice of ground truths, the comparison with
classical filters, and what is known of the published checkpoints. Data sets, losses, metrics and
the networks' parts are shared and stand in ``data``, ``losses``, ``metrics`` and ``archs``. How
this differs from the published code is told in docs/systems/jess.md.
"""
