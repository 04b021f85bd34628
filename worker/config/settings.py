"""placeholder, to be written"""
