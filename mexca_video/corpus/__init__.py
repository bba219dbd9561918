"""What follows from one video for many?"""
