"""Work spread over the machines of a Ray cluster: the functions of ``compute.pool``, with an address for ``jobs``."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from facewitness.provenance import install_command
from facewitness.types import MissingExtraError

I = TypeVar("I")  # noqa: E741 - item
R = TypeVar("R")


def map_unordered(work: Callable[[I, int], R], items: Iterable[I], address: str) -> Iterator[R]:
    """Yield ``work(item, 1)`` for each item as it is finished, as many at once as the cluster has cores.

    Args:
        work: a function of a module, which every machine has; items and results can be pickled.
        items: paths in them are absolute, on a file system that all machines share.
        address: of the cluster; ``local`` starts one on this machine.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"to spread work over machines: {install_command('cluster')}") from error
    ray.init(address=None if address == "local" else address, ignore_reinit_error=True, log_to_driver=False)
    remote = ray.remote(work)
    waiting = [remote.remote(item, 1) for item in items]
    while waiting:
        ready, waiting = ray.wait(waiting)
        yield ray.get(ready[0])
