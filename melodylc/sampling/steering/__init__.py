"""Sequential Monte Carlo over the bars that a language model writes, steered by a rule that is only called."""
