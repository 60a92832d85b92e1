"""Defaults that several rooms share; no TensorFlow behind them."""

SIZE = 512
STEPS = 300
STRENGTH = 0.5

STYLE_LOSS = "neighbors"
"""What the recipes paint with, where they are not told."""

GRAM_FACTOR = 4.0
"""By how much more than `FeatureExtractor.style_factor` the recipes weigh Gram matrices, so that a
strength of 0.5 has strokes."""

NEIGHBOR_STEPS = 50
"""Evaluations in which nearest neighbours settle: 10 a coarse level of three, and 5 at the full
size and in each of three rounds there."""

DOODLE_STEPS = 200
"""Steps of a doodle, over three levels."""

NEIGHBOR_FACTOR = 36.0
"""Weight of the neighbours' style loss at strength 1, beside the content's of 1 at strength 0."""

NEIGHBOR_VARIATION = 48.0
"""Weight of the total variation beside it."""

PREVIEW_SIZE = 192
"""Longer side, in pixels, of the pictures of a sweep: strokes can be judged, and a run takes
seconds."""

PREVIEW_STEPS = 60
"""Steps of each run of a sweep."""

SWEPT_STRENGTHS = (0.2, 0.4, 0.6, 0.8)
"""What a sweep goes through where it is told of no grid."""

MOST_CELLS = 64
"""Runs that a sweep takes on without being told to: more are hard to see on one sheet."""

COARSEST = 768
"""Longer side, in pixels, up to which a picture is painted at one size alone. In a larger one the
network sees brush strokes only as texture: they are laid out at a coarser size, where a step also
costs less."""

VARIATION = 3.0
"""Weight of the total variation at strength 1. At 320 px it takes the fine ripples of max pooling
out of flat skies and raises the style loss by under 1 %; 10 begins to soften brush strokes."""

STYLE_LAYERS = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1", "block5_conv1")
"""Gatys et al. 2016, section 3."""

CONTENT_LAYERS = ("block4_conv2",)
"""Gatys et al. 2016, section 3; the Keras and TensorFlow tutorials take block5_conv2."""

VGG19_BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""Channels and convolutions of each block (Simonyan and Zisserman 2015, table 1, column E)."""

VGG19_MEAN = (123.68, 116.779, 103.939)
"""Mean colour of ImageNet as RGB, 0-255; the network was trained on BGR minus this."""

MIN_SHARE = 0.001
"""Share of a colour map from which a colour is a region: the eyes of a portrait have about as much.
"""

BATCH_NAME = "{content}-{style}.png"
"""Pattern of the names of the pictures of a batch."""

BATCH_SHEET, BATCH_TABLE = "sheet.jpg", "batch.csv"
"""Names of the contact sheet and the table in the folder of a batch."""

TEMPORAL_WEIGHT = 300.0
"""Weight of the temporal loss of a video, beside `NEIGHBOR_FACTOR`. With a third of it, videos
flicker half as much again. With three times as much, the edges of what moves get teeth."""

SCENE_CUT = 0.3
"""Share of a frame that is seen in the one before, below which a scene begins. Of 60 pairs of
photographs at 192 pixels the flow finds at most 28 % of one in the other, of moving clips at least
62 %."""

TRAINING_SIZE = 192
"""Side, in pixels, of the squares on which a network is trained."""

TRAINING_STEPS = 4000
"""Steps in which a network learns a style."""
