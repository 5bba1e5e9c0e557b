"""The verb "scan": photographs in, one report for each file out."""
