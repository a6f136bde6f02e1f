"""XML files of boxes for the tests, as the authors of ImageNet write them."""


def annotation(synset: str, boxes: list[tuple[int, ...]], size: tuple[int, int] = (10, 8)) -> str:
    """The XML of an image of a size in pixels, with a box for each object of a class."""
    objects = "".join(
        f"<object><name>{synset}</name><pose>Unspecified</pose><bndbox><xmin>{x0}</xmin>"
        f"<ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox>\n</object>"
        for x0, y0, x1, y1 in boxes
    )
    return (
        f"<annotation>\n\t<folder>val</folder><size><width>{size[0]}</width><height>{size[1]}"
        f"</height><depth>3</depth></size>\n<segmented>0</segmented>{objects}</annotation>\n"
    )
