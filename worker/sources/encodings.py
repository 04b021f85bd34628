"""Bytes to text: UTF-8 or the declared encoding, never a guess."""

from __future__ import annotations

import codecs
from typing import IO

from worker.kernel.errors import ConfigError, Problem
from worker.sources.contract import Reading, SourceError, refuse

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WINDOWS = (
    'if a Windows program saved it, declare the one that it used, e.g. encoding = "cp1250" '
    '(Central European), "cp1251" (Cyrillic) or "cp1252" (Western)'
)


def codec_for(how: Reading, head: bytes) -> str:
    """The name of the codec for a file that begins with ``head``, its first 4 KB.

    Raises ``ConfigError`` for an encoding that does not exist, ``SourceError`` when the file
    says that it is written in another one.
    """
    declared = _known(how)
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    if marked is not None and not declared.startswith(marked):
        raise refuse(
            how.name,
            "encoding",
            f"text in {how.encoding}",
            f"a file that begins with the mark of {marked}",
            f'declare encoding = "{marked}", or save the file in {how.encoding}',
        )
    if marked is None and declared == "utf-8" and head.count(0) > len(head) // 4:
        raise refuse(
            how.name,
            "encoding",
            f"text in {how.encoding}",
            "a zero byte in every other place, as in utf-16",
            'declare encoding = "utf-16-le", or save the file in utf-8',
        )
    return "utf-8-sig" if declared == "utf-8" else how.encoding


def _known(how: Reading) -> str:
    try:
        "a".encode(how.encoding)  # also refuses codecs that do not turn text into bytes
        return codecs.lookup(how.encoding).name
    except (LookupError, UnicodeError) as error:
        problem = Problem(
            how.name,
            0,
            0,
            "encoding",
            "unknown-encoding",
            "the name of an encoding",
            repr(how.encoding),
            'write e.g. "utf-8" or "cp1250"',
        )
        raise ConfigError("the source cannot be read as declared", [problem]) from error


def undecodable(how: Reading, codec: str, raw: IO[bytes]) -> SourceError:
    """The error for a file that does not decode; finds the line by reading it once more."""
    line, got = _first_bad(codec, raw)
    return refuse(
        how.name,
        "encoding",
        f"text in {how.encoding}",
        got,
        _WINDOWS if codec == "utf-8-sig" else 'declare the right one, e.g. encoding = "utf-8"',
        line=line,
    )


def _first_bad(codec: str, raw: IO[bytes]) -> tuple[int, str]:
    if codecs.lookup(codec).name.startswith(("utf-16", "utf-32")):
        return 0, "bytes that are not"
    for number, line in enumerate(raw, start=1):
        try:
            line.decode(codec)
        except UnicodeDecodeError as error:
            return number, f"the byte 0x{line[error.start]:02X} in place {error.start + 1}"
    return 0, "bytes that are not"
