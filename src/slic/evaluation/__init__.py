"""What an encoder has learnt: retrieval scores, cluster quality, and the report that shows them.

Ground truth enters the package here and nowhere before: pretraining imports nothing from this room.
"""
