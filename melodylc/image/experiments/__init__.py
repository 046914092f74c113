"""The experiments of the sources on pictures: augmentation, Dirty-MNIST, corruptions, the paper's figures."""
