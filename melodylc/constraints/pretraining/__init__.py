"""Pre-training of a critic before it hears of any rule: statistics of melodies and of augmentations of them."""
