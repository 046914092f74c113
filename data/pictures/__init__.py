"""Pictures with labels: loaders of official downloads (MNIST, CIFAR-10, CelebA), and drawn toy faces.

Nothing is downloaded. A loader that misses a file says which one, where it comes from and where to put it.
"""
