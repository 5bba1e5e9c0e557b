"""Face finders: each takes a photograph and returns its faces; ``media.faces`` chooses one by name."""
