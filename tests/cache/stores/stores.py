"""A small store of either backend, and its arrays."""

import numpy as np

from a2pipe.cache.layout import ArrayField, Cut
from a2pipe.cache.stores.protocol import make_store


def filled(folder, backend, rows=10):
    fields = (ArrayField("x", (2,), "float32", float("nan")), ArrayField("n", (), "int32", -1))
    cut = Cut(rows, 4)
    store = make_store(backend, folder, fields, cut)
    store.create()
    arrays = {
        "x": np.arange(rows * 2, dtype=np.float32).reshape(rows, 2),
        "n": np.arange(rows, dtype=np.int32),
    }
    return store, cut, arrays


def part(arrays, rows):
    return {name: array[rows] for name, array in arrays.items()}
