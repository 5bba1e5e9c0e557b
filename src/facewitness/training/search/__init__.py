"""ADD's search: which operations the cells of a detector are made of is learnt beside their weights."""
