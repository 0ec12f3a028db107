#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
"""Writes digits.u8 from a wheel of scikit-learn.

usage: extract_digits.py scikit_learn-*.whl digits.u8
"""

import csv
import gzip
import io
import sys
import zipfile


def main():
    wheel, out = sys.argv[1:]
    with zipfile.ZipFile(wheel) as archive:
        text = gzip.decompress(archive.read("sklearn/datasets/data/digits.csv.gz")).decode()
    rows = [[int(float(x)) for x in row] for row in csv.reader(io.StringIO(text))]
    if not all(len(row) == 65 and max(row) <= 16 and row[64] <= 9 for row in rows):
        sys.exit("extract_digits.py: expected rows of 64 pixels from 0 to 16 and a digit")
    with open(out, "wb") as file:
        for row in rows:
            file.write(bytes(row))
    print(f"{len(rows)} images")


if __name__ == "__main__":
    main()
