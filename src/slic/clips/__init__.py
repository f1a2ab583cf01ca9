"""Turn videos into clips: choose frames, read them, augment them and batch the result."""
