"""Refinement of the edges of masks: guided filter, matting and CRF."""
