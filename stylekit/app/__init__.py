"""The web page that ``stylekit app`` serves: style transfer in a browser.

From the bottom up:

- `limits`, `shelf`, `line`, `uploads`, `drawing`, `examples`, `presets`: limits, files in memory,
  the queue of runs, reading of uploads, masks from drawings, example pictures, presets.
- `orders`, `jobs`, `visitor`, `visitors`: a run that was asked for, a run in its thread, the state
  of one visitor, and of all.
- `outcome`, `answers`: what the page shows, and the answer to each action.
- `fields`, `page`, `connections`, `gate`, `server`, `address`: the page and how it is served. Only
  `fields`, `page` and `server` use Gradio.
"""
