"""From a file to a Dataset"""
from mexca_video._moved import forward

__getattr__ = forward(__name__, "extraction.extractor")
