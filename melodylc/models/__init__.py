"""The melody VAE: bars, the song above them, named configurations, and the files that hold a model."""
