"""Many detectors on many sets: trained alike, judged alike, in one table."""
