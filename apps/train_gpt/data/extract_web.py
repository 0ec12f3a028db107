#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Write the New Testament of the World English Bible as plain text from Debian's package sword-text-web.

    apt-get download sword-text-web
    python3 extract_web.py sword-text-web_426.0-1_all.deb web.txt

The module is a SWORD zText: .bzv lists the verses (book, offset, length), .bzs the compressed books, .bzz holds them.
Notes, references, headings and the glossary are dropped; the words and their punctuation are kept. One paragraph or line of verse a line.
"""
import io
import re
import struct
import sys
import tarfile
import zlib

MODULE = "./usr/share/sword/modules/texts/ztext/engWEB2015eb/nt"


def data_archive(deb):
    """The data.tar.* member of a .deb, which is an ar archive: 60-byte headers, members padded to even sizes."""
    offset = 8
    while offset < len(deb):
        header = deb[offset : offset + 60]
        size = int(header[48:58])
        if header.startswith(b"data.tar"):
            return tarfile.open(fileobj=io.BytesIO(deb[offset + 60 : offset + 60 + size]))
        offset += 60 + size + size % 2
    raise SystemExit("no data.tar in this file; is it a Debian package?")


def entries(archive):
    """(book number, OSIS markup) of every entry, in order."""
    index, verses, packed = (archive.extractfile(MODULE + end).read() for end in (".bzs", ".bzv", ".bzz"))
    books = [zlib.decompress(packed[start : start + size]) for start, size, _ in struct.iter_unpack("<III", index)]
    for book, offset, size in struct.iter_unpack("<IIH", verses):
        yield book, books[book][offset : offset + size].decode("utf-8")


def plain(markup):
    """OSIS markup to text."""
    markup = re.sub(r"<(note|title|reference)\b[^>]*?(?<!/)>.*?</\1>", " ", markup, flags=re.S)
    markup = re.sub(r'<div [^>]*sID[^>]*type="x-p"/>|<(lg|l|chapter) [^>]*sID[^>]*/>', "\n", markup)
    markup = re.sub(r"</q>(?=<w|\w)", " ", markup)
    text = re.sub(r"<[^>]*>", "", markup).replace("\xa0", " ")
    text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    text = re.sub(r"[ \t]+", " ", text)
    return re.sub(r" +([,.;:!?’”)])", r"\1", text)


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    with open(sys.argv[1], "rb") as file:
        archive = data_archive(file.read())
    books = {}
    for book, markup in entries(archive):
        markup = re.sub(r'<div [^>]*type="glossary".*', "", markup, flags=re.S)
        title = re.search(r'n="([^"]*)" type="x-usfm-toc2"', markup)
        if title:
            books.setdefault(book, []).append("\n" + title[1] + "\n\n")
        books.setdefault(book, []).append(plain(markup) + " ")
    text = "\n".join("".join(parts) for parts in books.values())
    text = re.sub(r" *\n *", "\n", re.sub(r" +", " ", text))
    text = re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
    with open(sys.argv[2], "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


main()
