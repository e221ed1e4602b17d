"""Decodes NPY and NPZ files."""

import math
import zipfile
from typing import Any

import numpy as np

from p2p_jax.data.decoded import Unreadable, as_pixels, library_errors, pixels_cost, refuse_other_arrays, reserve
from p2p_jax.limits.zip_members import check_zip

COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What NumPy writes. Other ones may need gigabytes of memory for a small file."""


def decode_npy(file: Any, size: int, indices: bool) -> np.ndarray:
    """Decodes an NPY file.

    Args:
        file: open for reading, at its beginning.
        size: of the file, in bytes.
        indices: as for `decoders.decode_file`.

    Returns:
        (h, w, c) of uint8, uint16 or float32.

    Raises:
        Unreadable: it is damaged, is no picture, or needs more memory than is allowed.
    """
    with library_errors():
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, in_columns, dtype = read_header(file)
        start = file.tell()
    if dtype.hasobject:
        raise Unreadable("holds Python objects, which are never loaded", "save an array of numbers")
    refuse_other_arrays(shape, dtype)
    with reserve(pixels_cost(shape, dtype, copied=in_columns)):
        if math.prod(shape) * dtype.itemsize > size - start:
            raise Unreadable("cannot be read (it holds less data than its header claims)", "replace it or remove it")
        with library_errors():
            file.seek(0)
            array = np.lib.format.read_array(file, allow_pickle=False)
        return as_pixels(array, indices)


def decode_npz(file: Any, size: int, indices: bool) -> np.ndarray:
    """Decodes an NPZ file that holds one array. Arguments, result and errors are those of `decode_npy`."""
    with reserve(0), library_errors():
        check_zip(file, size)
        archive = zipfile.ZipFile(file)
    with archive:
        entries = archive.infolist()
        if len(entries) != 1:
            raise Unreadable(f"holds {len(entries)} arrays", "save an NPZ that holds one")
        if entries[0].compress_type not in COMPRESSIONS:
            raise Unreadable("is compressed in a way that NumPy does not write", "save it with numpy.savez_compressed")
        with library_errors():
            content = archive.open(entries[0])
        with content:
            pixels = decode_npy(content, entries[0].file_size, indices)
            with library_errors():
                content.read(1)  # at the end of the entry its checksum is compared
            return pixels
