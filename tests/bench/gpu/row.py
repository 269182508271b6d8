"""What the rows of ci/gpu.sh share: their words, runs of the program, and figures that are kept as soon as they are known.

In one of three modes. gpu: sizes that are published. cpu: small ones, on this machine's processor, so that every line of a row
has run before a GPU is there; its figures say nothing. dry: what would be called is started and nothing is computed.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

NARROW = {"model.width": 64, "model.heads": 4, "model.depth": 2}


class Row:
    def __init__(self, about, *more):
        """`more`: (words, keywords) of further options."""
        parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("programs", type=pathlib.Path, help="the build's folder")
        parser.add_argument("--json", type=pathlib.Path, help="a file that gets the figures")
        parser.add_argument("--mode", choices=("gpu", "cpu", "dry"), default="gpu")
        for words, keywords in more:
            parser.add_argument(*words, **keywords)
        self.arguments = parser.parse_args()
        self.on_gpu, self.dry = self.arguments.mode == "gpu", self.arguments.mode == "dry"
        self.device = "cuda" if self.on_gpu else "cpu"
        self.figures = {}

    def hash_of(self, settings, ranks=None):
        """Of the state that a run ends with."""
        with scratch() as folder:
            run = pathlib.Path(folder, "run")
            self.train(run, settings, ranks=ranks)
            return self.vitrail("checkpoint", "hash", run / "checkpoints/latest").split()[0]

    def program(self, name):
        path = self.arguments.programs.resolve() / name
        if not os.access(path, os.X_OK):
            sys.exit(f"{path} is not there: build the cuda preset, or unpack a bundle")
        return path

    def tell(self, **figures):
        """Kept at once: what comes next may hang."""
        self.figures |= figures
        print(json.dumps(figures), flush=True)
        if self.arguments.json:
            self.arguments.json.write_text(json.dumps(self.figures, indent=2) + "\n")

    def vitrail(self, *words, environment=None):
        """What a command of the program prints."""
        words = [str(word) for word in (self.program("vitrail"), *words)]
        result = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False, env=os.environ | (environment or {}))
        if result.returncode != 0:
            sys.exit(f"{' '.join(words)}: exit status {result.returncode}")
        return result.stdout

    def train(self, folder, settings, environment=None, ranks=None):
        """A run in `folder`: the words that made it, and its steps' lines of metrics. Without ranks: no launcher."""
        words = flags({"run.dir": folder, "run.device": self.device, "run.lanes": 1} | settings)
        self.vitrail(*(["train"] if ranks is None else ["launch", "-n", ranks]), *words, environment=environment)
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        return words, [line for line in lines if "loss" in line]

    def published_step(self, model, pixels, classes, batch, drop_path, steps):
        """Settings of so many steps in fp16 by LAMB on made-up pictures; narrow where there is no GPU."""
        return {
            "run.steps": steps,
            "data.train": f"synthetic:{batch * steps},{classes},{pixels}",
            "data.global_batch_size": batch,
            "data.workers": 12 if self.on_gpu else 1,
            "model.name": model,
            "model.image_size": pixels,
            "model.classes": classes,
            "model.drop_path": drop_path,
            "precision.compute": "fp16",
            "optimizer.name": "lamb",
            "checkpoint.every": "0st",
        } | ({} if self.on_gpu else NARROW)

    def starts(self, *programs):
        """In a dry run, that these are there and start; whether the row has to go no further."""
        for name in programs if self.dry else ():
            start = [self.program(name), "--version"] if name == "vitrail" else ["ldd", self.program(name)]
            result = subprocess.run(start, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            if result.returncode != 0 or "not found" in result.stdout:
                sys.exit(f"{name} does not start: {result.stdout}")
        return self.dry


def flags(settings):
    return [word for key, value in settings.items() for word in (f"--{key}", str(value))]


def scratch():
    return tempfile.TemporaryDirectory(prefix="vitrail-")


def timm_is_there():
    """Of Python's packages the peers are made of; a row without them has our side alone."""
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "peers"))
    try:
        import networks  # noqa: F401
    except ImportError as error:
        print(f"no peer: {error}", flush=True)
        return False
    return True
