"""The manifest: a table of samples as Parquet or CSV, one row per photograph or frame.

Columns are the fields of ``Sample``. Only ``path`` and ``label`` are required. This module reads, checks and writes the
table; it opens no photograph, and deciding which row belongs to which split is the business of ``data.splits``.
"""

import csv
import hashlib
import io
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np

from facewitness.storage import atomic_write
from facewitness.types import REAL_METHOD, ManifestError, Points, Sample, Split

COLUMNS = tuple(field.name for field in fields(Sample))
REQUIRED = ("path", "label")
SUFFIXES = (".csv", ".parquet")
SPLITS: tuple[str, ...] = get_args(Split)
UNNAMED_METHOD = "unnamed"
"""The ``method`` of a fake whose row names none."""

_NAME_MARK = "|"
_NUMBER_MARK = ";"
_LISTS = ("identities", "attributes")  # columns that hold several names
_PATHS = ("path", "mask", "region", "original")
_SAME_PX = 0.5  # landmarks that differ by less are those of one photograph


def read(path: Path, *, check_files: bool = False) -> list[Sample]:
    """All samples of a ``.parquet`` or ``.csv`` manifest, in its order.

    Relative paths are taken from the manifest's own folder. ``check_files`` also demands that each photograph, mask and
    region exists.

    Raises:
        ManifestError: the table cannot be read, or a cell does not fit; the message names file, row and column.
    """
    path = Path(path)
    rows = _read_csv(path) if _kind(path) == "csv" else _read_parquet(path)
    folder = Path(os.path.abspath(path)).parent
    samples: list[Sample] = []
    first_seen: dict[Path, str] = {}
    for where, row in rows:
        sample = _sample(row, folder, where)
        if sample.path in first_seen:
            raise ManifestError(
                f"{where}, column 'path': {sample.path} is already in {first_seen[sample.path]}; remove one of the rows"
            )
        first_seen[sample.path] = where.rpartition(": ")[2]
        if check_files:
            _check_files(sample, where)
        samples.append(sample)
    return samples if any(sample.original for sample in samples) else _with_originals(samples)


def _with_originals(samples: Sequence[Sample]) -> list[Sample]:
    """For tables without the column: a fake's original is the real of its person with the same landmarks."""
    reals: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        if not sample.label:
            reals.setdefault((sample.dataset, sample.person), []).append(sample)

    def original(fake: Sample) -> Path | None:
        alike = reals.get((fake.dataset, fake.person), [])
        return next((real.path for real in alike if same_place(real, fake)), None)

    return [replace(sample, original=original(sample)) if sample.label else sample for sample in samples]


def same_place(one: Sample, other: Sample) -> bool:
    """Return whether the landmarks of two samples agree, so that their pictures can be compared pixel by pixel."""
    if one.landmarks is None or other.landmarks is None:
        return False
    return bool(np.abs(one.landmarks - other.landmarks).max() < _SAME_PX)


def write(samples: Sequence[Sample], path: Path) -> None:
    """Write a manifest in one step: whoever reads sees the old table or the new one. Same samples, same bytes.

    Paths below the manifest's folder are stored relative to it, others absolute; always with forward slashes.

    Raises:
        ManifestError: a path occurs twice, or a CSV cell would be ambiguous.
    """
    path = Path(path)
    kind = _kind(path)
    folder = Path(os.path.abspath(path)).parent
    rows = [_row(sample, folder) for sample in samples]
    seen: set[str] = set()
    for row in rows:
        if row["path"] in seen:
            raise ManifestError(f"{path}: {row['path']} would be written twice; give each sample a path of its own")
        seen.add(row["path"])
    content = _csv_bytes(rows, path) if kind == "csv" else _parquet_bytes(rows)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as part:
        part.write_bytes(content)


def of_methods(samples: Iterable[Sample], methods: Iterable[str]) -> list[Sample]:
    """All reals, and the fakes of some methods, or of some ``method/attribute`` (``Sample.kinds``)."""
    asked = set(methods)
    return [sample for sample in samples if not sample.label or not asked.isdisjoint(sample.kinds)]


def kinds(samples: Iterable[Sample]) -> set[str]:
    """Every name by which fakes may be asked for."""
    return {kind for sample in samples if sample.label for kind in sample.kinds}


def digest(path: Path) -> str:
    """SHA-256 of the manifest file, in hexadecimal, as ``sha256sum`` prints it. Run folders keep it.

    Raises:
        ManifestError: the file cannot be read.
    """
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise ManifestError(f"cannot read manifest {path}: {error.strerror or error}") from error


def _kind(path: Path) -> str:
    kind = path.suffix.lower().lstrip(".")
    if kind not in ("csv", "parquet"):
        raise ManifestError(f"{path}: a manifest is a .parquet or a .csv file; rename or convert it")
    return kind


def _read_csv(path: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ManifestError(f"cannot read manifest {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"manifest {path} is not UTF-8 text ({error.reason}); save it as UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_columns(header, path)
        for cells in reader:
            where = f"{path}: line {reader.line_num}"
            if not cells:
                continue
            if len(cells) != len(header):
                raise ManifestError(
                    f"{where}: {len(cells)} cells for {len(header)} columns; put a cell that has a comma in quotes"
                )
            yield where, dict(zip(header, (cell.strip() or None for cell in cells), strict=True))
    except csv.Error as error:
        raise ManifestError(f"{path}: line {reader.line_num}: not valid CSV ({error}); mend the quotes") from error


def _read_parquet(path: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    import polars

    try:
        # Opened here: polars would take a path with [ or * in it for a pattern.
        table = polars.read_parquet(io.BytesIO(path.read_bytes()))
    except OSError as error:
        raise ManifestError(f"cannot read manifest {path}: {error.strerror or error}") from error
    except polars.exceptions.PolarsError as error:
        raise ManifestError(f"manifest {path} is not a readable Parquet table: {error}") from error
    _check_columns(table.columns, path)
    for number, row in enumerate(table.iter_rows(named=True), start=1):
        yield f"{path}: row {number}", row


def _check_columns(names: Sequence[str], path: Path) -> None:
    for name in names:
        if name not in COLUMNS:
            guess = get_close_matches(name.lower(), COLUMNS, 1)
            hint = f"did you mean {guess[0]!r}?" if guess else f"known columns: {', '.join(COLUMNS)}"
            raise ManifestError(f"{path}: unknown column {name!r}; {hint}")
        if list(names).count(name) > 1:
            raise ManifestError(f"{path}: column {name!r} occurs twice; remove one")
    for name in REQUIRED:
        if name not in names:
            raise ManifestError(f"{path}: column {name!r} is missing; path and label are required")


def _sample(row: Mapping[str, Any], folder: Path, where: str) -> Sample:
    label = _label(row["label"], where)
    split = row.get("split") or "train"
    if split not in SPLITS:
        raise ManifestError(f"{where}, column 'split': {split!r} is no split; write one of {', '.join(SPLITS)}")
    method = _text(row, "method", where) or (UNNAMED_METHOD if label else REAL_METHOD)
    if (method == REAL_METHOD) == bool(label):
        raise ManifestError(
            f"{where}, column 'method': label {label} with method {method!r}; "
            f"real samples (label 0) have the method {REAL_METHOD!r} and fakes any other"
        )
    path = _path(row, "path", folder, where)
    if path is None:
        raise ManifestError(f"{where}, column 'path': empty; write the path of the photograph")
    return Sample(
        path=path,
        label=label,
        method=method,
        video=_text(row, "video", where),
        identities=_names(row, "identities", where),
        dataset=_text(row, "dataset", where) or "",
        split=cast(Split, split),
        mask=_path(row, "mask", folder, where),
        region=_path(row, "region", folder, where),
        landmarks=_landmarks(row.get("landmarks"), where),
        original=_path(row, "original", folder, where),
        attributes=_names(row, "attributes", where),
    )


def _label(value: Any, where: str) -> int:
    if isinstance(value, str):
        value = {"0": 0, "1": 1}.get(value, value)
    if isinstance(value, bool | int | float) and value in (0, 1):
        return int(value)
    shown = "empty" if value is None else repr(value)
    raise ManifestError(f"{where}, column 'label': {shown}; write 0 for real or 1 for fake")


def _text(row: Mapping[str, Any], column: str, where: str) -> str | None:
    value = row.get(column)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ManifestError(f"{where}, column {column!r}: {value!r} is not text; store the column as text")
    return value


def _path(row: Mapping[str, Any], column: str, folder: Path, where: str) -> Path | None:
    text = _text(row, column, where)
    return None if text is None else Path(os.path.normpath(folder / text))


def _names(row: Mapping[str, Any], column: str, where: str) -> tuple[str, ...]:
    value = row.get(column)
    if value is None:
        return ()
    names = value.split(_NAME_MARK) if isinstance(value, str) else list(value)
    if not all(isinstance(name, str) and name.strip() for name in names):
        raise ManifestError(
            f"{where}, column {column!r}: {value!r}; write names, none of them empty, "
            f"as a list (Parquet) or joined by {_NAME_MARK!r} (CSV)"
        )
    return tuple(name.strip() for name in names)


def _landmarks(value: Any, where: str) -> Points | None:
    if value is None:
        return None
    try:
        numbers = [float(v) for v in (value.split(_NUMBER_MARK) if isinstance(value, str) else value)]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) != 136 or not all(math.isfinite(v) for v in numbers):
        raise ManifestError(
            f"{where}, column 'landmarks': needs 136 finite numbers x0, y0, x1, y1, ... in pixels "
            f"(has {len(numbers)} that can be read); leave it empty if unknown"
        )
    return np.array(numbers, np.float32).reshape(68, 2)


def _check_files(sample: Sample, where: str) -> None:
    for column in _PATHS:
        file: Path | None = getattr(sample, column)
        if file is not None and not file.is_file():
            raise ManifestError(f"{where}, column {column!r}: no file {file}; mend the path or remove the row")


def _row(sample: Sample, folder: Path) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(sample, name) for name in COLUMNS}
    for column in _PATHS:
        file = row[column]
        if file is not None:
            file = Path(os.path.abspath(file))
            row[column] = (file.relative_to(folder) if file.is_relative_to(folder) else file).as_posix()
    for column in _LISTS:
        row[column] = list(row[column])
    if sample.landmarks is not None:
        row["landmarks"] = np.asarray(sample.landmarks, np.float32).reshape(-1)
    return row


def _csv_bytes(rows: Sequence[Mapping[str, Any]], path: Path) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        cells = dict(row)
        for column in _LISTS:
            for name in row[column]:
                if _NAME_MARK in name:
                    raise ManifestError(
                        f"{path}: {column} of {row['path']}: {name!r} has a {_NAME_MARK!r}; rename it or write .parquet"
                    )
            cells[column] = _NAME_MARK.join(row[column])
        if row["landmarks"] is not None:
            cells["landmarks"] = _NUMBER_MARK.join(str(v) for v in row["landmarks"])
        writer.writerow(["" if cells[name] is None else cells[name] for name in COLUMNS])
    return text.getvalue().encode()


def _parquet_bytes(rows: Sequence[Mapping[str, Any]]) -> bytes:
    import polars as pl

    lists = dict.fromkeys(_LISTS, pl.List(pl.String)) | {"landmarks": pl.List(pl.Float32)}
    columns: dict[str, Any] = {}
    for name in COLUMNS:
        values = [row[name] for row in rows]
        if name == "landmarks":
            values = [None if v is None else v.tolist() for v in values]
        columns[name] = pl.Series(name, values, pl.Int8 if name == "label" else lists.get(name, pl.String))
    content = io.BytesIO()
    pl.DataFrame(columns).write_parquet(content)
    return content.getvalue()
