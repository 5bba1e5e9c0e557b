"""Looking after data sets: crop faces from them, check them, divide, join, sample and show them."""
