"""The web page that ``stylekit app`` serves: style transfer in a browser.

The modules, each group based on the groups above it:

- `limits`, `shelf`, `line`, `uploads`, `drawing`, `examples`, `presets`: limits, files in memory,
  the queue of runs, reading of uploads, masks from drawings, example pictures, presets.
- `orders`, `jobs`, `visitor`, `visitors`: a requested run, a run in a thread, the state of one
  visitor, and the states of all visitors.
- `outcome`, `answers`: what the page shows, and the answer to each action.
- `fields`, `page`, `connections`, `gate`, `server`, `address`: the page, and its web server. Only
  `fields`, `page` and `server` use Gradio.
"""
