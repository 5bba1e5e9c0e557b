"""What a picture file says of its own origin: signed manifests, declared sources, traces of programs.

Nothing here looks at faces, and nothing here is ever part of a score. No address that a file names is fetched.
"""

from facewitness.media.metadata.inspect import inspect

__all__ = ["inspect"]
