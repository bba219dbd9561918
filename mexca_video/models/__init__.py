"""Which weights, from where, are they sound?"""
from mexca_video._moved import forward

__getattr__ = forward(__name__, "models.registry", "models.imports", "models.fetch", "models.weights")
