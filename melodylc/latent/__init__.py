"""Latent constraints: an actor that moves latent vectors to where a black-box score is 1.

Knows vectors and scores, and nothing of what is decoded from them. `objective` is the seam to a decoder and a rule,
`actor_critic` the one training loop, `fit` (scores), `gan` (labels) and `realism` (data) its three uses, `optimise`
what needs no actor, `store` actors as files.
"""
