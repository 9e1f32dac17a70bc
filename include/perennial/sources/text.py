"""A look at a delivered text file's bytes, before a parser may misread them.

Parsers forgive what a pipeline must not: an error page parses as a header, a NUL byte or an
unclosed quote swallows what follows, an archive that was cut off ends early.
"""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from include.perennial.errors import DataError
from include.perennial.messages import data_error, shown

MAX_TEXT_BYTES = 8 << 30
MAX_LINE_BYTES = 16 << 20
_BLOCK_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"
_FOREIGN = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"%PDF": "a PDF document",
    b"(\xb5/\xfd": "a Zstandard archive",
    b"BZh": "a bzip2 archive",
}
_AGAIN = "ask the source to deliver the file again, whole"
_MARKUP = re.compile(rb"<(!doctype|html|\?xml|head|body|error)\b", re.IGNORECASE)


def is_gzip(path: Path) -> bool:
    """Whether the file is gzip by content; the ending of its name proves nothing."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def open_text(path: Path) -> IO[bytes]:
    """The decompressed bytes of a plain or gzip file."""
    return cast(IO[bytes], gzip.open(path)) if is_gzip(path) else path.open("rb")


def check_text(path: Path, kind: str) -> None:
    """Read the file once, in blocks, and refuse what is not whole UTF-8 text.

    Args:
        kind: what the file should be, for messages: ``csv`` (quotes must then be paired) or ``jsonl``.

    Raises:
        DataError: names the file and the line.
    """
    scan = _Scan(path)
    try:
        with open_text(path) as stream:
            while block := stream.read(_BLOCK_BYTES):
                if not scan.size:
                    _check_start(path, block, kind)
                scan.take(block)
            scan.decoder.decode(b"", final=True)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise _refusal(path, "a gzip archive that ends early or is damaged", "the whole archive", _AGAIN) from None
    except UnicodeDecodeError:
        raise _refusal(path, "the end of the file inside a UTF-8 character", "a whole file", _AGAIN) from None
    if not scan.size:
        raise _refusal(path, "an empty file without a header", f"{kind} with its columns", _AGAIN)
    if kind == "csv" and scan.quotes % 2:
        got = f"{scan.quotes} double quotes, an odd number: one is never closed and would swallow rows"
        raise _refusal(path, got, "paired quotes, those inside a quoted value doubled", _AGAIN)


class _Scan:
    """What has been seen of a text so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.size = self.lines = self.quotes = self.line_bytes = 0

    def take(self, block: bytes) -> None:
        """Check and count one more block."""
        self._check_text(block)
        self.size += len(block)
        self.lines += block.count(b"\n")
        self.quotes += block.count(b'"')
        self.line_bytes = len(block) - block.rfind(b"\n") if b"\n" in block else self.line_bytes + len(block)
        # A small archive may hold a huge text: stop before anyone keeps it in memory.
        if self.size > MAX_TEXT_BYTES or self.line_bytes > MAX_LINE_BYTES:
            got = f"more than {MAX_TEXT_BYTES >> 30} GiB of text, or a line of more than {MAX_LINE_BYTES >> 20} MiB"
            raise _refusal(self.path, got, "less", "deliver it in several files, one record a line", self.lines + 1)

    def _check_text(self, block: bytes) -> None:
        if (nul := block.find(b"\0")) >= 0:
            line = self.lines + 1 + block.count(b"\n", 0, nul)
            raise _refusal(self.path, "a NUL byte", "UTF-8 text without NUL", _AGAIN, line)
        try:
            self.decoder.decode(block)
        except UnicodeDecodeError as error:
            # The decoder may hold up to three bytes of the block before; they cannot hold a line end.
            line = self.lines + 1 + error.object.count(b"\n", 0, error.start)
            got = f"the byte 0x{error.object[error.start]:02x}, which is not UTF-8 (latin-1 or Windows-1252?)"
            raise _refusal(self.path, got, "UTF-8 text", "export the file as UTF-8", line) from None


def read_header(path: Path) -> list[str]:
    """The column names of a CSV file, as they stand in its first record.

    Raises:
        DataError: the first record is not CSV.
    """
    return next(_records(path), [])


def count_records(path: Path) -> int:
    """Rows of a CSV file without its header.

    Raises:
        DataError: a record is not CSV.
    """
    return max(0, sum(1 for record in _records(path) if record) - 1)


def count_lines(path: Path) -> int:
    """Lines that are not blank."""
    with open_text(path) as stream:
        return sum(1 for line in stream if line.strip())


def _records(path: Path) -> Iterator[list[str]]:
    with open_text(path) as stream, io.TextIOWrapper(stream, "utf-8-sig", newline="") as text:
        try:
            yield from csv.reader(text, strict=True)
        except csv.Error as error:
            raise _refusal(path, f"a record that is not CSV ({error})", "comma-separated text", _AGAIN) from None


def _check_start(path: Path, block: bytes, kind: str) -> None:
    for magic, name in _FOREIGN.items():
        if block.startswith(magic):
            raise _refusal(path, name, f"{kind} as UTF-8 text, plain or gzip", "export it in that form")
    start = block[:200].lstrip(b"\xef\xbb\xbf \t\r\n")
    if _MARKUP.match(start):
        got = (
            f"an HTML or XML page, often an error or login page, starting {shown(start[:60].decode(errors='replace'))}"
        )
        raise _refusal(path, got, kind, "check the download at the source, then deliver the file again")


def _refusal(path: Path, got: str, allowed: str, fix: str, line: int | None = None) -> DataError:
    where = shown(path.name) + (f", line {line}" if line else "")
    return data_error(where=where, got=got, allowed=allowed, fix=fix)
