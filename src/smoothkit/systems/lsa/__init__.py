"""LSA matting: deep image matting under the assumption that foregrounds are locally smooth.

arXiv 2112.13809, IEEE ICME 2022; code of reference: kfeng123/LSA-Matting.

Here: the network and its variants, the losses, training data composed on line, the re-estimation
of foregrounds, the refinement at test time, and the metrics of alpha mattes. How this differs from
the published code is told in docs/systems/lsa.md.
"""
