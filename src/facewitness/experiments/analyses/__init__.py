"""What single papers ask: functions from the stored results of an experiment to sections of its report."""
