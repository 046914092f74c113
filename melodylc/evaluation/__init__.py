"""Evaluation: what melodies are like in numbers, what a model gives back, dreams up and copies."""
