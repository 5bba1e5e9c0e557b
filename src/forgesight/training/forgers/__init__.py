"""Training of the networks behind some manipulations: ``forgesight forge fit``."""
