"""Training of the generators behind some manipulations: ``facewitness forge train-generator``."""
