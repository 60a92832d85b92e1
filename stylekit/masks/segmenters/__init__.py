"""Networks that find what is in a picture."""
