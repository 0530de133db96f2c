"""The losses of the system."""

from smoothkit.systems.csgis.contrast import ContrastRatioLoss, GreyTripletLoss, StyleTripletLoss
from smoothkit.systems.csgis.segmentation import SegmentationLoss

__all__ = ["ContrastRatioLoss", "GreyTripletLoss", "SegmentationLoss", "StyleTripletLoss"]
