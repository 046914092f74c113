"""Latent constraints on pictures: VAEs of MNIST, CIFAR-10 and CelebA, classifiers, and actors told labels.

The core is `melodylc.latent`, the same as for melodies.
"""
