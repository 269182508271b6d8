"""The picture of a run that README.md shows: the beginning of the report of the quickstart's run, and its maps of attention, as
Chromium draws them, in few colours.

    readme_picture.py runs/quickstart/report.html launcher/report/page/report.png
"""

import pathlib
import re
import sys
import tempfile

from PIL import Image
from report_in_browser import visit

WIDTH = 1280
UNPAINTED = 400  # pixels that Chromium, on a busy machine, may leave white at a window's end
CURVES = 870  # pixels of the page's beginning
LOOKS = 432
COLOURS = 128


def part_of(html, html_id):
    """A page that begins there: what stands before is left out by its own script."""
    script = f"<script>document.querySelectorAll('main > *').forEach((one) => {{ if (one.compareDocumentPosition(document.getElementById('{html_id}')) & 4) one.remove(); }});</script>"
    return html.replace("</body>", script + "</body>")


def screenshot(html, folder, height):
    page, picture = folder / "page.html", folder / "page.png"
    page.write_text(html)
    _, said = visit(page, folder / "profile", f"--window-size={WIDTH},{height + UNPAINTED}", f"--screenshot={picture}")
    if said:
        sys.exit("\n".join(said))
    return Image.open(picture).convert("RGB").crop((0, 0, WIDTH, height))


def main():
    html, output = pathlib.Path(sys.argv[1]).read_text(), pathlib.Path(sys.argv[2])
    marked = re.sub(r'page\.append\("h2"\)\.text\(several \? `Where', 'page.append("h2").attr("id", "looks").text(several ? `Where', html)
    if marked == html:
        sys.exit("the page has no place where attention begins")
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        begin = screenshot(html, folder, CURVES)
        looks = screenshot(part_of(marked, "looks"), folder, LOOKS)
    picture = Image.new("RGB", (WIDTH, CURVES + LOOKS), "white")
    picture.paste(begin, (0, 0))
    picture.paste(looks, (0, CURVES))
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(output, optimize=True)
    print(f"{output}: {output.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
