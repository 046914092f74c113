"""Training a melody VAE: stages, batches of a corpus, and a loop that can be stopped and started again."""
