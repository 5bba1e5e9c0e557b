"""From photographs to batches of pairs."""
