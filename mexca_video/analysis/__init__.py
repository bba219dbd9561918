"""What follows for a study?"""
