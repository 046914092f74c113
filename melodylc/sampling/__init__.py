"""From a seed to melodies that follow a rule."""
