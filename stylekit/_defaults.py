"""Defaults that several packages share. This module does not import TensorFlow."""

SIZE = 512
STEPS = 300
STRENGTH = 0.5

STYLE_LOSS = "neighbors"
"""Default style loss of the recipes."""

GRAM_FACTOR = 4.0
"""Factor by which the recipes multiply `FeatureExtractor.style_factor` for Gram matrices, so that a
strength of 0.5 has visible strokes."""

NEIGHBOR_STEPS = 50
"""Steps of a run with the nearest-neighbour style loss: 10 at each of three coarse levels, and 5 in
each of four rounds at the full size."""

DOODLE_STEPS = 200
"""Steps of a doodle, in total over the three levels of its pyramid."""

NEIGHBOR_FACTOR = 36.0
"""Weight of the nearest-neighbour style loss at strength 1. The content loss has the weight 1 at
strength 0."""

NEIGHBOR_VARIATION = 48.0
"""Weight of the total variation loss in runs with the nearest-neighbour style loss."""

PREVIEW_SIZE = 192
"""Longer side, in pixels, of the pictures of a sweep. At this size strokes are visible and a run
takes seconds."""

PREVIEW_STEPS = 60
"""Steps of each run of a sweep."""

SWEPT_STRENGTHS = (0.2, 0.4, 0.6, 0.8)
"""Strengths that a sweep uses if no grid is given."""

MOST_CELLS = 64
"""Largest number of runs of a sweep, unless the caller allows more. A contact sheet with more
pictures is hard to read."""

COARSEST = 768
"""Largest longer side, in pixels, of a picture that is painted at one size only. In a larger
picture the network sees brush strokes only as texture. Such a picture is painted at a coarser size
first, where a step also costs less."""

VARIATION = 3.0
"""Weight of the total variation loss at strength 1. At 320 px it removes the fine ripples of max
pooling from flat skies and raises the style loss by less than 1 %. A weight of 10 begins to soften
brush strokes."""

STYLE_LAYERS = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1", "block5_conv1")
"""Gatys et al. 2016, section 3."""

CONTENT_LAYERS = ("block4_conv2",)
"""Gatys et al. 2016, section 3. The Keras and TensorFlow tutorials use block5_conv2."""

VGG19_BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""Channels and convolutions of each block (Simonyan and Zisserman 2015, table 1, column E)."""

VGG19_MEAN = (123.68, 116.779, 103.939)
"""Mean colour of ImageNet, RGB in 0-255. The network was trained on BGR minus this mean."""

MIN_SHARE = 0.001
"""Smallest share of a colour map's pixels that makes a colour a region. The eyes of a portrait have
about this share."""

BATCH_NAME = "{content}-{style}.png"
"""Pattern of the file names of a batch."""

BATCH_SHEET, BATCH_TABLE = "sheet.jpg", "batch.csv"
"""File names of the contact sheet and the table of a batch."""

TEMPORAL_WEIGHT = 300.0
"""Weight of the temporal loss of a video, used with `NEIGHBOR_FACTOR`. A third of this weight
increases flicker by half. Three times this weight makes the edges of moving objects ragged."""

SCENE_CUT = 0.3
"""A new scene begins at a frame if less than this share of its pixels is visible in the previous
frame, according to the optical flow. The measured share is at most 28 % for two unrelated
photographs of 192 pixels (60 pairs), and at least 62 % for two frames of a moving clip."""

TRAINING_SIZE = 192
"""Side, in pixels, of the square crops on which a style network is trained."""

TRAINING_STEPS = 4000
"""Training steps of a style network."""
