"""The colours of all built-in pictures: few and far apart on a light ground, so that each part is told by its hue."""

Colour = tuple[int, ...]  # of three channels, or of one where pictures are grey

PAPER: Colour = (246, 244, 239)
MIST: Colour = (223, 221, 214)
STONE: Colour = (150, 152, 158)
INK: Colour = (52, 58, 72)
BLUE: Colour = (54, 108, 176)
ORANGE: Colour = (226, 104, 46)
GREEN: Colour = (92, 174, 110)

BLACK: Colour = (0,)
WHITE: Colour = (255,)
