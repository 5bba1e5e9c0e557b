"""Counts and times for Prometheus."""

import time

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facewitness.service.runner import Runner

CONTENT_TYPE = CONTENT_TYPE_LATEST
_ANSWERED = Counter("facewitness_http_requests_total", "Requests answered", ["method", "code"], registry=None)
_SECONDS = Histogram("facewitness_http_seconds", "Seconds to the first byte of an answer", ["method"], registry=None)


class Metrics:
    """What a service has done since it was started."""

    def __init__(self, runner: Runner) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_ANSWERED)
        self._registry.register(_SECONDS)
        queued = Gauge("facewitness_files_queued", "Files that no worker has begun with", registry=self._registry)
        queued.set_function(lambda: runner.queued)
        scanned = Gauge("facewitness_files_scanned", "Files scanned since the start", registry=self._registry)
        scanned.set_function(lambda: runner.scanned)
        healthy = Gauge("facewitness_scanning", "1 while the service scans, 0 after a failure", registry=self._registry)
        healthy.set_function(lambda: float(runner.failure is None))

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self._registry)


class Timing:
    """ASGI middleware that counts answers and times their first byte."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                _ANSWERED.labels(scope["method"], str(message["status"])).inc()
                _SECONDS.labels(scope["method"]).observe(time.perf_counter() - began)
            await send(message)

        await self.app(scope, receive, answer)
