"""Encoding of text files: UTF-8, or UTF-16 and UTF-32 that begin with a byte-order mark.

Every text that a person names is decoded here: data, recipes, labels, prompts of judges. An
encoding is never guessed: other ones are an error that says what to do.
"""

import codecs

MARKS = {
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark is the beginning of this one
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
    codecs.BOM_UTF8: "utf-8",
}
"""Encoding by byte-order mark."""

MARK_BYTES = max(map(len, MARKS))

BEFORE_BYTES = 16
"""Bytes before an undecodable one that a message shows."""


def find_encoding(start: bytes) -> tuple[str, int]:
    """Return a text's encoding and the number of bytes of its byte-order mark.

    Args:
        start: the first bytes of the text, at least `MARK_BYTES` if there are as many.

    Raises:
        UnicodeError: the text is UTF-16 or UTF-32 without a mark.
    """
    for mark, encoding in MARKS.items():
        if start.startswith(mark):
            return encoding, len(mark)
    if 0 in start[:MARK_BYTES]:
        raise UnicodeError(
            "not UTF-8: it has zero bytes, as UTF-16 has; save it as UTF-8, for example with "
            "iconv -f UTF-16LE -t UTF-8"
        )
    return "utf-8", 0


def decode_text(content: bytes) -> str:
    r"""Decode the content of a text file; line ends become "\n".

    Raises:
        UnicodeError: it is not in an encoding that can be read; the message says what to do.
    """
    encoding, mark_bytes = find_encoding(content)
    try:
        text = content[mark_bytes:].decode(encoding)
    except UnicodeDecodeError as error:
        raise UnicodeError(describe_undecodable(error)) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def describe_undecodable(error: UnicodeDecodeError) -> str:
    """Return which byte of a text cannot be decoded, after which text, and what to do."""
    byte = error.object[error.start]
    before = error.object[max(0, error.start - BEFORE_BYTES) : error.start]
    encoding = error.encoding.upper()
    found = f"not {encoding}: byte 0x{byte:02x} after {before.decode(error.encoding, 'ignore')!r}"
    if error.encoding != "utf-8":
        return f"{found}; save the file again as UTF-8"
    character = bytes([byte]).decode("windows-1252", errors="replace")
    return (
        f"{found}; in Windows-1252 it is {character}; save the file as UTF-8, for example with "
        "iconv -f WINDOWS-1252 -t UTF-8"
    )
