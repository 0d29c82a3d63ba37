"""What a training setup raises that hybrid batches cannot work in."""


class HybridBatchError(ValueError):
    """A training setup in which hybrid batches cannot work. The message gives the remedy."""
