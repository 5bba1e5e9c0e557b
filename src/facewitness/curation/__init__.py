"""Looking after data sets: cut faces from them, check them, divide, join, sample and show them."""
