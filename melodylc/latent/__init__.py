"""Latent constraints: an actor that moves latent vectors to where a black-box score is 1.

Knows vectors and scores, and nothing of what is decoded from them. `fit` is the way in, `store` keeps what came out.
"""
