"""Mean and deviation of ImageNet's RGB images in [0, 1], which many networks take as given."""

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
