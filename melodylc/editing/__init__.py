"""Melodies that are there already: moved until they obey, varied, given back, and what lies between two of them."""
