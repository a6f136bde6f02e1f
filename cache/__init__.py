"""This package keeps results: fingerprints, stores (Zarr, HDF5), markers, catalogue, upkeep."""
