"""Making the data of HGGT's enhancement; crops, lists and lmdbs are made by ``data.prepare``."""
