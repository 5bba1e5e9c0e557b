"""What a detector is, the registry of all there are, and the two runtimes that run one."""
