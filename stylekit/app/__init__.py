"""The web page: pictures in, a picture out, in a browser; see ``stylekit app``.

The modules, from the ground up: `limits`, `uploads`, `drawing`, `shelf`, `line`, `jobs`, `visitor`,
`visitors`, `examples`, `answers` know no Gradio; `fields`, `page`, `connections`, `gate` and
`server` are the page and how it is served.
"""
