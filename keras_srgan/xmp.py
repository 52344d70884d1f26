import re
from xml.dom import minidom

GPANO = "http://ns.google.com/photos/1.0/panorama/"
DIMENSIONS = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
REGIONS = "http://www.metadataworkinggroup.com/schemas/regions/"
# XMP with positions in the photo.
POSITION_NAMESPACES = {GPANO: "panorama data", REGIONS: "face regions"}
# XMP that describes other parts of the old file, which are not copied.
ATTACHMENT_NAMESPACES = {
    "http://ns.adobe.com/hdr-gain-map/1.0/",
    "http://ns.adobe.com/xmp/note/",
    "http://ns.apple.com/HDRGainMap/1.0/",
    "http://ns.google.com/photos/1.0/audio/",
    "http://ns.google.com/photos/1.0/camera/",
    "http://ns.google.com/photos/1.0/container/",
    "http://ns.google.com/photos/1.0/container/item/",
    "http://ns.google.com/photos/1.0/depthmap/",
    "http://ns.google.com/photos/1.0/image/",
}
# XMP that describes how the pixels of the old file were stored.
STORAGE_NAMES = {
    ("http://ns.adobe.com/tiff/1.0/", "ImageLength"),
    ("http://ns.adobe.com/tiff/1.0/", "ImageWidth"),
    ("http://ns.adobe.com/tiff/1.0/", "Orientation"),
    ("http://ns.adobe.com/exif/1.0/", "PixelXDimension"),
    ("http://ns.adobe.com/exif/1.0/", "PixelYDimension"),
    ("http://ns.adobe.com/xap/1.0/", "Thumbnails"),
}


def clean(
    xmp: bytes | str | tuple, turned: bool
) -> tuple[bytes | None, list[str]]:
    """Returns the XMP of a photo without outdated entries.

    Args:
        xmp: The packet, as Pillow returns it.
        turned: Boolean. Whether the EXIF orientation turned the photo.

    Returns:
        The packet, unchanged if no entry is outdated, or `None` if it is not
        valid; and a list of texts that describe what was dropped.
    """
    try:
        if isinstance(xmp, tuple):
            (xmp,) = xmp
        if isinstance(xmp, str):
            xmp = xmp.encode()
        xmp = xmp.strip(b"\0 \r\n\t")
        xmp.decode()
    except (AttributeError, UnicodeError, ValueError):
        return None, ["XMP (not UTF-8)"]
    # Entities can expand without bound, and XMP does not use them.
    if b"<!DOCTYPE" in xmp:
        return None, ["XMP (with a document type)"]
    try:
        document = minidom.parseString(xmp)
        changed, dropped = False, set()
        for node in list(_properties(document)):
            invalid = _is_in_pixels(node) and not _is_number(node)
            moved = turned and node.namespaceURI in POSITION_NAMESPACES
            if invalid or moved:
                dropped.add(
                    POSITION_NAMESPACES.get(node.namespaceURI, "face regions")
                )
            if (
                invalid
                or moved
                or node.namespaceURI in ATTACHMENT_NAMESPACES
                or (node.namespaceURI, node.localName) in STORAGE_NAMES
            ):
                _remove(node)
                changed = True
        return _to_xml(document) if changed else xmp, sorted(dropped)
    except Exception:  # the parser's own, or a recursion too deep
        return None, ["XMP (not well-formed)"]


def resize(
    info: dict, old_size: tuple[int, int], new_size: tuple[int, int]
) -> dict:
    """Returns the metadata of a photo, adapted to its new size.

    Sizes and positions in pixels, which XMP of panoramas and of face regions
    holds, are scaled.

    Args:
        info: The metadata, as `clean` returns them.
        old_size: `(width, height)` of the photo.
        new_size: `(width, height)` of the resized photo.
    """
    xmp = info.get("xmp", b"")
    if GPANO.encode() not in xmp and DIMENSIONS.encode() not in xmp:
        return info
    document = minidom.parseString(xmp)
    across, down = (
        new / old for new, old in zip(new_size, old_size, strict=True)
    )
    for node in _properties(document):
        if _is_in_pixels(node):
            vertical = re.search("Height|Top|^h$", node.localName)
            text = _get_text(node)
            text.nodeValue = str(
                round(float(text.nodeValue) * (down if vertical else across))
            )
    return info | {"xmp": _to_xml(document)}


def _to_xml(document):
    return b"".join(node.toxml("utf-8") for node in document.childNodes)


def _properties(document):
    """Yields all elements and attributes of an XMP document."""
    for element in document.getElementsByTagName("*"):
        yield from list(element.attributes.values())
        yield element


def _remove(node):
    parent = _get_parent(node)
    if node.nodeType == node.ATTRIBUTE_NODE:
        parent.removeAttributeNode(node)
    else:
        parent.removeChild(node)


def _is_in_pixels(node):
    if node.namespaceURI == GPANO:
        return node.localName.endswith("Pixels")
    # Of other sizes the unit is not known.
    parent = _get_parent(node)
    return (
        node.namespaceURI == DIMENSIONS
        and node.localName in ("w", "h")
        and REGIONS
        in (parent.namespaceURI, getattr(parent.parentNode, "namespaceURI", ""))
    )


def _is_number(node):
    try:
        return abs(float(_get_text(node).nodeValue)) < 2**31
    except (AttributeError, TypeError, ValueError):
        return False


def _get_text(node):
    return node if node.nodeType == node.ATTRIBUTE_NODE else node.firstChild


def _get_parent(node):
    if node.nodeType == node.ATTRIBUTE_NODE:
        return node.ownerElement
    return node.parentNode
