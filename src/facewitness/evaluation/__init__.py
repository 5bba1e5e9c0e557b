"""A detector judged on a manifest: scores kept as they are made, one tidy table, a report."""
