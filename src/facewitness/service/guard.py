"""What stands before every request: who may ask, from where, how much may be sent, and how long that may take."""

import asyncio
import hmac
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facewitness.service.settings import Settings

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_OPEN = ("/", "/healthz")  # what is answered without a token: it tells nothing of what was scanned
_OPEN_BELOW = "/static/"
_SAFE = ("GET", "HEAD", "OPTIONS")
_MINUTE_S = 60.0


class Guard:
    """ASGI middleware that refuses what ``settings`` do not allow and sets ``HEADERS`` on every answer.

    400: a host that is not the service's own, as when a page of somebody else resolves its name to this machine. 401:
    no or a wrong token. 403: sent by a page of another origin. 408: the body came too slowly. 413: it is too large.
    429: too many wrong tokens.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings = app, settings
        self._wrong: defaultdict[str, deque[float]] = defaultdict(deque)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            self._check(scope)
        except HTTPException as refusal:
            response = JSONResponse({"detail": refusal.detail}, refusal.status_code, refusal.headers)
            await response(scope, receive, answer)
            return
        await self.app(scope, self._bounded(receive), answer)

    def _check(self, scope: Scope) -> None:
        headers, limits = Headers(scope=scope), self.settings.limits
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        if "*" not in self.settings.hosts and host not in self.settings.hosts:
            raise _refusal(400, "this service is not known by that name: see --host")
        origin = headers.get("origin")
        if scope["method"] not in _SAFE and origin is not None and urlsplit(origin).netloc != headers.get("host"):
            raise _refusal(403, "sent by a page of another origin")
        self._check_token(scope, headers)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > limits.request_bytes:
            raise _refusal(413, f"a request may hold {limits.request_bytes:,} bytes")

    def _check_token(self, scope: Scope, headers: Headers) -> None:
        path = scope["path"]
        if self.settings.token is None or path in _OPEN or path.startswith(_OPEN_BELOW):
            return
        client, now = (scope.get("client") or ("",))[0], time.monotonic()
        wrong = self._wrong[client]
        while wrong and wrong[0] < now - _MINUTE_S:
            wrong.popleft()
        if len(wrong) >= self.settings.limits.wrong_tokens:
            raise _refusal(429, "too many wrong tokens: wait a minute")
        kind, _, given = headers.get("authorization", "").partition(" ")
        right = hmac.compare_digest(given.strip().encode(), self.settings.token.encode())
        if kind.lower() == "bearer" and right:
            if not wrong:
                del self._wrong[client]
            return
        if given:
            wrong.append(now)
        raise _refusal(401, "a token is needed: Authorization: Bearer TOKEN")

    def _bounded(self, receive: Receive) -> Receive:
        limits, received = self.settings.limits, 0
        deadline = time.monotonic() + limits.body_s
        whole = False

        async def bounded() -> Message:
            nonlocal received, whole
            if whole:
                return await receive()  # waits for the end of the connection
            try:
                async with asyncio.timeout(min(limits.silence_s, max(0.0, deadline - time.monotonic()))):
                    message = await receive()
            except TimeoutError as error:
                raise _refusal(408, "the body came too slowly") from error
            received += len(message.get("body", b""))
            if received > limits.request_bytes:
                raise _refusal(413, f"a request may hold {limits.request_bytes:,} bytes")
            whole = message["type"] != "http.request" or not message.get("more_body", False)
            return message

        return bounded


def _refusal(status: int, detail: str) -> HTTPException:
    challenge = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return HTTPException(status, detail, {"Connection": "close", **challenge})
