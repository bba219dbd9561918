"""How does work run on this machine?"""
