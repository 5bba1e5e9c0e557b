"""One file for each family of manipulations."""
