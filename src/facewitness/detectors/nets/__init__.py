"""One file for each family of nets. A net owns no loss and never sees the truth."""
