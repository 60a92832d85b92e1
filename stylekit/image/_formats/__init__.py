"""File formats: decoding, EXIF and ICC profiles, TIFF."""
