"""In and out of files of this and other programs"""
