"""Refine the edges of masks by a guided filter, by matting or by a CRF."""
