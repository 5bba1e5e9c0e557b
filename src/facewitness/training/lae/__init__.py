"""LAE whole: two stages of training, and the active learner between them that asks a person for masks."""
