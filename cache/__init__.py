"""Where results live: fingerprints, stores (Zarr, HDF5), markers, catalogue, upkeep."""
