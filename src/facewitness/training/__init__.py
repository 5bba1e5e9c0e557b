"""The verb "train": a recipe in, a run folder out. Needs torch."""
