"""Samples: the manifest, splits that share no person, and readers for folders of photographs."""
