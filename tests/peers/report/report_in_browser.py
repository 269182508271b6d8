"""Opens a page of `vitrail report` in a real browser without a window: nothing is complained about on its console, what it
shows is there, its picture is not blank, and maps of attention in it are those of `vitrail attention`. Of three tiny runs, one
of them preempted and evaluated.

    report_in_browser.py VITRAIL FOLDER   the page and its pictures are left in FOLDER
"""

import base64
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from PIL import Image

STEPS = 40
TINY = {
    "model.name": "vit_xxs4", "model.image_size": 28, "model.classes": 10, "model.width": 32, "model.depth": 2, "model.heads": 2,
    "run.seed": 1, "run.lanes": 4, "run.steps": STEPS, "data.global_batch_size": 32, "evaluate.every": "10st", "optimizer.name": "adamw",
}
TEXTS = ("Curves", "Loss", "Accuracy", "Learning rate", "Throughput", "Attempts and world sizes", "Events", "preempted", "Evaluation",
         "What classes were taken for", "The most frequent mistakes", "Where rate-0.003 looks", "head 2", "What rate-0.01 sees",
         "What the settings did", "optimizer.lr", "Settings", "rate-0.003")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_S = 300
LOOKED_AT = 3


def browser():
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    sys.exit(f"none of {', '.join(BROWSERS)} is installed")


def make_runs(vitrail, folder):
    def run(*words, expect=0):
        done = subprocess.run([vitrail, *map(str, words)], capture_output=True, text=True, check=False)
        if done.returncode != expect:
            sys.exit(f"{' '.join(map(str, words))}: status {done.returncode}\n{done.stderr}")
        return done.stdout

    fashion = pathlib.Path(os.environ.get("VITRAIL_FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
    pack = folder / "pack"
    images, labels = (fashion / f"t10k-{what}-idx{n}-ubyte.gz" for what, n in (("images", 3), ("labels", 1)))
    run("pack", "--source", f"idx:{images},{labels}", "--output", pack)
    for rate in (0.001, 0.003, 0.01):
        settings = TINY | {"run.dir": folder / f"runs/rate-{rate}", "optimizer.lr": rate, "data.train": pack, "data.val": pack}
        words = [word for key, value in settings.items() for word in (f"--{key}", value)]
        if rate == 0.003:
            done = subprocess.run([vitrail, "train", *map(str, words), "--run.fault", "forward:0:1:ask"], capture_output=True, check=False)
            if done.returncode != 85:
                sys.exit(f"not stopped but {done.returncode}: {done.stderr.decode()}")
        run("train", *words)
    best = folder / "runs/rate-0.003"
    run("attention", "--checkpoint", best, "--data", pack, "--output", folder / "maps", "--samples", LOOKED_AT)
    evaluation = run("eval", "--checkpoint", best, "--data", pack, "--evaluate.per_class", "true", "--format", "json")
    (best / "evaluation.json").write_text(evaluation)


def visit(page, profile, *words):
    """What the page became, and what its console said."""
    sandbox = ["--no-sandbox"] * (os.geteuid() == 0)  # root has no other way
    done = subprocess.run(
        [browser(), "--headless", *sandbox, "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}", "--enable-logging=stderr",
         "--virtual-time-budget=5000", *words, page.as_uri()],
        capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def check_texts(html):
    if 'data-drawn="true"' not in html:
        sys.exit("the page's script did not come to its end")
    drawn = re.sub(r"<script.*?</script>|<style.*?</style>", "", html, flags=re.S)
    text = re.sub(r"<[^>]+>", " ", drawn)
    missing = [words for words in TEXTS if words not in text]
    if missing:
        sys.exit(f"the page does not show {missing}")
    curves = drawn.count('class="curve')
    if curves < 3 * 8:
        sys.exit(f"{curves} curves only")
    if re.search(r'd="[^"]*NaN', drawn):
        sys.exit("a curve has points that are no numbers")
    return curves


def check_confusion(html, evaluation):
    """A cell for each pair of classes, which add up to all images."""
    cells = re.findall(r"<title>(\d+) of (\d+) images of ", html)
    if len(cells) != len(evaluation["confusion"]) or sum(int(images) for images, _ in cells) != evaluation["images"]:
        sys.exit(f"{len(cells)} cells of {evaluation['confusion']}")


def pictures_in(html):
    return [Image.open(io.BytesIO(base64.b64decode(text))) for text in re.findall(r'src="data:image/png;base64,([^"]+)"', html)]


def check_pictures(html, maps, screenshot):
    """Each run's maps and preview are in the page, the evaluated one's maps as `vitrail attention` draws them, and on the screen."""
    pictures = [picture.convert("RGB") for picture in pictures_in(html)]
    if len(pictures) != 3 * (LOOKED_AT + 1):
        sys.exit(f"{len(pictures)} pictures")
    screen = Image.open(screenshot).convert("RGB").tobytes()
    for i in range(LOOKED_AT):
        expected = Image.open(maps / f"{i:06}.png").convert("RGB")
        if not any(picture.size == expected.size and picture.tobytes() == expected.tobytes() for picture in pictures):
            sys.exit(f"image {i}: the page's map is not that of `vitrail attention`")
        zoom = max(1, round(112 / expected.height))
        row = expected.crop((0, expected.height // 2, expected.width, expected.height // 2 + 1)).resize((expected.width * zoom, 1), Image.Resampling.NEAREST)
        if row.tobytes() not in screen:
            sys.exit(f"image {i}: its map is not on the screen")


def main():
    vitrail, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        make_runs(vitrail, pathlib.Path(scratch))
        page = folder / "report.html"
        subprocess.run([vitrail, "report", f"{scratch}/runs", "--output", page, "--attention", f"{scratch}/pack", "--preview", f"{scratch}/pack",
                        "--samples", str(LOOKED_AT)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        data = json.loads(subprocess.run([vitrail, "report", f"{scratch}/runs", "--format", "json"], check=True, capture_output=True).stdout)
        profile = f"{scratch}/profile"
        html, said = visit(page, profile, "--dump-dom")
        curves = check_texts(html)
        check_confusion(html, json.loads(pathlib.Path(f"{scratch}/runs/rate-0.003/evaluation.json").read_text()))
        for name, words in (("light", ()), ("dark", ("--force-dark-mode", "--blink-settings=preferredColorScheme=0"))):
            picture = folder / f"report-{name}.png"
            said += visit(page, profile, "--window-size=1280,9000", f"--screenshot={picture}", *words)[1]
            if len(Image.open(picture).convert("L").resize((160, 1125)).getcolors(256)) < 8:
                sys.exit(f"{picture} is blank")
        check_pictures(html, pathlib.Path(scratch) / "maps", folder / "report-light.png")
    if said:
        sys.exit("the browser's console:\n" + "\n".join(said))
    print(f"report: {len(data['runs'])} runs, {curves} curves and {len(pictures_in(html))} pictures drawn, nothing on the console, {page.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
