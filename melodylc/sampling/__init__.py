"""How melodies come from a model under a rule."""
