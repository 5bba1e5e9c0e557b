"""Training of the networks behind some manipulations: ``facewitness forge train-generator``."""
