"""Support for picture file formats: decoding, EXIF data, ICC profiles and TIFF."""
