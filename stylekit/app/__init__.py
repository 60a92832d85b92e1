"""The web page: pictures in, a picture out, in a browser; see ``stylekit app``.

The modules, from the ground up: `limits`, `uploads`, `drawing`, `jobs`, `visitor`, `examples` know
no Gradio; `fields`, `page`, `gate` and `server` are the page and how it is served.
"""
