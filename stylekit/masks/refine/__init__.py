"""Better edges for a mask: guided filter, matting, CRF."""
