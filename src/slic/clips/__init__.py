"""From a video to what the encoder sees: which frames, which look, and batches of both."""
