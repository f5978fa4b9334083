"""Stands in for h5py, which is imported and not used."""
