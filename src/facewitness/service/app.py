"""The application: REST, events and the page, over the scans of ``jobs`` and the one ``Runner``."""

import asyncio
import json
import secrets
import shutil
import unicodedata
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files as package_files
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, File, HTTPException, Request, UploadFile
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from facewitness import __version__
from facewitness.detectors import zoo
from facewitness.media import image, video
from facewitness.scanning.words import rate_words
from facewitness.service import metrics, models
from facewitness.service.guard import Guard
from facewitness.service.jobs import Jobs, Scan, ScanFile, State, Upload
from facewitness.service.runner import Runner
from facewitness.service.settings import Settings
from facewitness.types import Calibration, FacewitnessError

POLL_S = 0.3
"""Seconds between two looks of a stream of events at its scan."""

SUFFIXES = image.SUFFIXES | video.SUFFIXES
_NAME = 255  # characters of a file's name that are kept
_SHOWN = {  # what a browser shows by itself, by the first bytes of a file
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF8": "image/gif",
    b"\x1aE\xdf\xa3": "video/webm",
}
_PICTURES = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")  # brands of the container that MP4 shares with them
ScanId = Annotated[str, PathParameter(pattern="^[A-Za-z0-9_-]{22}$", description="As `POST /v1/scans` gave it.")]
Number = Annotated[int, PathParameter(ge=0, le=1_000_000, description="Of a file, from 0.")]
REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": models.Problem} for code in (400, 401, 403, 404, 408, 413, 429, 503)
}
router = APIRouter(prefix="/v1", responses=REFUSALS)


def create_app(settings: Settings) -> FastAPI:
    """Return the application; it loads the detector and begins to scan when it is started.

    Raises:
        CardError, DeviceError, ScanError: when it is started, as ``Runner``.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        jobs = Jobs(settings.folder)
        runner = await run_in_threadpool(Runner, settings, jobs)
        app.state.jobs, app.state.runner, app.state.settings = jobs, runner, settings
        app.state.metrics = metrics.Metrics(runner)
        runner.start()
        yield
        await run_in_threadpool(runner.stop)
        jobs.close()

    app = FastAPI(
        title="Facewitness",
        version=__version__,
        description="Scans photographs and videos for manipulated faces.",
        lifespan=lifespan,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    app.include_router(router)
    static = Path(str(package_files("facewitness.service").joinpath("static")))
    app.mount("/static", StaticFiles(directory=static), name="static")

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(static / "index.html", media_type="text/html")

    @app.get("/healthz", response_model=models.Health, responses={503: {"model": models.Health}})
    def healthz(request: Request) -> JSONResponse:
        """Say whether the service scans."""
        failure = _runner(request).failure
        health = models.Health(status=failure or "ok", version=__version__)
        return JSONResponse(health.model_dump(), 503 if failure else 200)

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}, **REFUSALS})
    def prometheus(request: Request) -> Response:
        """Give counts and times in Prometheus' format."""
        return Response(request.app.state.metrics.text(), media_type=metrics.CONTENT_TYPE)

    @app.exception_handler(FacewitnessError)
    async def unavailable(_: Request, error: FacewitnessError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 503)

    app.add_middleware(metrics.Timing)
    app.add_middleware(Guard, settings=settings)
    return app


@router.post("/scans", status_code=202, response_model=models.ScanModel)
async def add_scan(
    request: Request, files: Annotated[list[UploadFile], File(description="Photographs and videos, one or many.")]
) -> models.ScanModel:
    """Send photographs and videos; the answer comes before they are scanned."""
    settings, runner = _settings(request), _runner(request)
    if runner.failure:
        raise HTTPException(503, runner.failure)
    if len(files) > settings.limits.files:
        raise HTTPException(413, f"a request may hold {settings.limits.files:,} files")
    if runner.queued + len(files) > settings.limits.queued_files:
        raise HTTPException(429, "too many files are waiting: try again later")
    scan = await run_in_threadpool(_receive, runner, files)
    return models.scan_model(scan)


def _receive(runner: Runner, files: list[UploadFile]) -> Scan:
    jobs, name = runner.jobs, secrets.token_urlsafe(16)
    folder = jobs.uploads / name
    folder.mkdir()
    try:
        uploads = []
        for number, file in enumerate(files):
            shown = _shown_name(file.filename or "")
            suffix = PurePosixPath(shown).suffix.lower()
            path = folder / f"{number:06d}{suffix if suffix in SUFFIXES else ''}"
            with path.open("xb") as target:
                shutil.copyfileobj(file.file, target, 1 << 20)
            uploads.append(Upload(shown, path))
        jobs.add(name, uploads)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    runner.submit([upload.path for upload in uploads])
    scan = jobs.scan(name)
    assert scan is not None
    return scan


def _shown_name(name: str) -> str:
    """The last part of a path, without what would not be seen or would turn the text around it."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join("�" if unicodedata.category(one)[0] == "C" else one for one in last)
    return kept[:_NAME] or "unnamed"


@router.get("/scans", response_model=list[models.ScanModel])
def list_scans(request: Request) -> list[models.ScanModel]:
    """List the last hundred scans, the newest first."""
    return [models.scan_model(scan) for scan in _jobs(request).scans()]


@router.get("/scans/{scan}", response_model=models.ScanWithFiles)
def get_scan(request: Request, scan: ScanId) -> models.ScanWithFiles:
    """Give a scan and all that was found so far."""
    found = _scan(request, scan)
    files = [models.file_model(file) for file in _jobs(request).files(scan)]
    return models.ScanWithFiles(**models.scan_model(found).model_dump(), files=files)


@router.get(
    "/scans/{scan}/events", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}}
)
async def events(request: Request, scan: ScanId) -> StreamingResponse:
    """Follow a scan: an event `file` for each file when it is ready, `progress` after them, `end` at the end."""
    await run_in_threadpool(_scan, request, scan)
    return StreamingResponse(_events(_jobs(request), scan), media_type="text/event-stream")


async def _events(jobs: Jobs, name: str) -> AsyncIterator[str]:
    told: set[int] = set()
    done = -1
    while True:
        scan = await run_in_threadpool(jobs.scan, name)
        if scan is None:
            yield _event("end", {"state": "deleted"})
            return
        if scan.done != done:
            done = scan.done
            for file in await run_in_threadpool(jobs.files, name):
                if file.entry is not None and file.number not in told:
                    told.add(file.number)
                    yield _event("file", models.file_model(file).model_dump())
            yield _event("progress", models.scan_model(scan).model_dump())
        if scan.state in (State.DONE, State.CANCELLED):
            yield _event("end", {"state": scan.state})
            return
        await asyncio.sleep(POLL_S)


def _event(kind: str, data: Mapping[str, Any]) -> str:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"


@router.post("/scans/{scan}/cancel", response_model=models.ScanModel)
def cancel_scan(request: Request, scan: ScanId) -> models.ScanModel:
    """Scan no more files of a scan; what is done is kept."""
    _scan(request, scan)
    _jobs(request).cancel(scan)
    return models.scan_model(_scan(request, scan))


@router.delete("/scans/{scan}", status_code=204)
def delete_scan(request: Request, scan: ScanId) -> None:
    """Delete a scan, its files and all that was made of them."""
    _scan(request, scan)
    _runner(request).delete(scan)


@router.get("/scans/{scan}/report", response_model=None, responses={200: {"content": {"text/html": {}}}})
def get_report(request: Request, scan: ScanId) -> HTMLResponse:
    """Give the report of what was scanned so far: one HTML file with its pictures inside."""
    _scan(request, scan)
    text = _runner(request).report(_jobs(request).files(scan))
    name = {"Content-Disposition": f'attachment; filename="facewitness-{scan}.html"'}
    return HTMLResponse(text, headers={**name, "Content-Security-Policy": "sandbox allow-scripts"})


@router.get("/scans/{scan}/case", response_class=FileResponse, responses={200: {"content": {"application/zip": {}}}})
def get_case(request: Request, scan: ScanId) -> FileResponse:
    """Give what was scanned so far as a case: a ZIP file with report, PDF, table, pictures and checksums of all.

    Unpacked, it passes `facewitness case verify`.
    """
    _scan(request, scan)
    try:
        archive = _runner(request).case(_jobs(request).files(scan))
    except FileNotFoundError as error:
        raise HTTPException(404, "the scan was deleted meanwhile") from error
    name, remove = f"facewitness-{scan}.zip", BackgroundTask(archive.unlink)
    return FileResponse(archive, media_type="application/zip", filename=name, background=remove)


@router.get("/scans/{scan}/files/{number}/overlay", response_class=FileResponse)
def get_overlay(request: Request, scan: ScanId, number: Number) -> FileResponse:
    """Give the photograph, reduced, with its faces and heat, as JPEG."""
    return _picture(request, _file(request, scan, number).pictures.get("overlay"), "image/jpeg")


@router.get("/scans/{scan}/files/{number}/faces/{face}/map", response_class=FileResponse)
def get_map(request: Request, scan: ScanId, number: Number, face: Number) -> FileResponse:
    """Give the map of a face as a gray PNG on the photograph's own grid: 255 for a fakeness of 1."""
    maps = _file(request, scan, number).pictures.get("maps", [])
    return _picture(request, maps[face] if face < len(maps) else None, "image/png")


@router.get("/scans/{scan}/files/{number}/photograph", response_class=FileResponse)
def get_photograph(request: Request, scan: ScanId, number: Number) -> FileResponse:
    """Give the photograph or video as it was sent, if it is one that browsers show."""
    file = _file(request, scan, number)
    with file.path.open("rb") as stream:
        head = stream.read(16)
    kind = next((kind for magic, kind in _SHOWN.items() if head.startswith(magic)), None)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        kind = "image/webp"
    if head[4:8] == b"ftyp" and head[8:12] not in _PICTURES:
        kind = "video/mp4"
    if kind is None:
        raise HTTPException(404, "browsers do not show this kind of file: take its overlay")
    return FileResponse(file.path, media_type=kind, headers={"Content-Security-Policy": "sandbox"})


@router.get("/detectors", response_model=list[models.DetectorModel])
def detectors(request: Request) -> list[models.DetectorModel]:
    """List the detectors of the package that have weights, and the one that judges."""
    loaded = _runner(request).detector.card
    cards = {card.name: card for card in (*map(zoo.card, zoo.SHIPPED), loaded)}
    return [
        models.DetectorModel(
            name=card.name,
            loaded=card.name == loaded.name,
            about=card.about,
            weights=card.weights,
            fake_above=None if card.calibration is None else card.calibration.fake_above,
            fake_rate_words=_rate_words(card.calibration),
            real_below=None if card.calibration is None else card.calibration.real_below,
        )
        for card in cards.values()
    ]


def _rate_words(calibration: Calibration | None) -> str:
    if calibration is None or calibration.fake_rate is None:
        return "an unknown share of real faces"
    return f"at most {rate_words(calibration.fake_rate)} of real faces"


def _jobs(request: Request) -> Jobs:
    jobs: Jobs = request.app.state.jobs
    return jobs


def _runner(request: Request) -> Runner:
    runner: Runner = request.app.state.runner
    return runner


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _scan(request: Request, scan: str) -> Scan:
    found = _jobs(request).scan(scan)
    if found is None:
        raise HTTPException(404, "no such scan; it may have been deleted")
    return found


def _file(request: Request, scan: str, number: int) -> ScanFile:
    found = _jobs(request).file(scan, number)
    if found is None:
        raise HTTPException(404, "no such file")
    return found


def _picture(request: Request, name: str | None, kind: str) -> FileResponse:
    path = None if name is None else _runner(request).overlays / name
    if path is None or not path.is_file():
        raise HTTPException(404, "there is no such picture")
    return FileResponse(path, media_type=kind)
