"""The command line: files and options in, a picture out.

Options and files are checked before TensorFlow loads; bad input is one plain sentence and status 2.
"""

from stylekit.cli._app import app, main
from stylekit.cli.demo import demo
from stylekit.cli.info import info
from stylekit.cli.page import page
from stylekit.cli.segment import portrait, segment
from stylekit.cli.sweep import sweep
from stylekit.cli.techniques import doodle, gradient_mask, localized, patches, regions, texture
from stylekit.cli.transfer import transfer

app.command(epilog="Example: stylekit transfer photo.jpg starry.jpg -o out.png --strength 0.6")(
    transfer
)
app.command(
    epilog="Example: stylekit localized photo.jpg starry.jpg -o out.png --class person "
    "--model deeplab.tflite"
)(localized)
app.command(epilog="Example: stylekit regions a.jpg a_map.png b.jpg b_map.png -o out.png")(regions)
app.command(
    epilog="Example: stylekit patches a.jpg b.jpg -o out.png --content-map a_map.png "
    "--style-map b_map.png"
)(patches)
app.command(epilog="Example: stylekit doodle doodle.png monet.jpg monet_map.png -o out.png")(doodle)
app.command(
    "gradient-mask",
    epilog="Example: stylekit gradient-mask photo.jpg one.jpg two.jpg -o out.png --angle 0",
)(gradient_mask)
app.command(epilog="Example: stylekit texture gravel.jpg -o more.png --size 1024 --aspect 1.5")(
    texture
)
app.command(
    epilog="Example: stylekit segment photo.jpg --model deeplab.tflite --class cat -o m.png"
)(segment)
app.command(epilog="Example: stylekit portrait photo.jpg -o out.jpg --box 40,10,300,400")(portrait)
app.command(
    epilog="Example: stylekit sweep photo.jpg starry.jpg -o tuning --strength 0.3,0.5,0.7 "
    "--variation 0.5,4"
)(sweep)
app.command(epilog="Example: stylekit demo -o pictures")(demo)
app.command("app", epilog="Example: stylekit app --port 8000 --model deeplab.tflite")(page)
app.command()(info)

__all__ = ["app", "main"]
