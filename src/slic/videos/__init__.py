"""Which videos there are, and how frames are read out of them."""
