"""`vitrail plan` beside runs of 1 to 4 ranks on this machine: how far off are its step, its waiting and its memory?

    python3 tests/bench/plan.py build/dev/vitrail [--steps 8] [--cores 2]

Two numbers that no data sheet has are taken from runs first, for each model: the share of the peak from a run of one rank,
the link from one of two ranks without overlap. All else is planned. fp32, AdamW, one thread a rank; ranks beyond --cores
share them, so each plans with its part of a core. Only the standard library.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

from training import our_runs

PEAK_TFLOPS = 0.1  # of a core, roughly: mfu is measured against it
MESSAGE_US = 20
LANES = 4
MODELS = {
    "computation": {"model.name": "deit_ti16", "model.image_size": 224, "data.global_batch_size": 16},
    "communication": {"model.name": "deit_b16", "model.depth": 3, "model.image_size": 64, "data.global_batch_size": 16},
    "rows that vary": {"model.name": "vit_ti16", "model.image_size": 160, "model.drop_path": 0.5,
                       "data.global_batch_size": 32},
}  # fmt: skip


class Machine:
    def __init__(self, program, cores, steps, folder):
        self.program, self.cores, self.steps, self.folder = program, cores, steps, folder
        self.mfu, self.link_gb_per_s, self.bandwidth_share = 1, 1, 1

    def words(self, settings, overlap):
        images = self.folder / "images.safetensors"
        whole = settings | {
            "run.lanes": LANES, "run.threads": 1, "run.device": "cpu", "run.steps": self.steps, "data.train": f"tensor:{images}",
            "model.classes": 1000, "optimizer.name": "adamw", "optimizer.lr": 1e-4, "checkpoint.every": "0st",
            "sharding.communicator": "mpi", "sharding.bucket_mib": 8, "sharding.overlap": str(overlap).lower(),
        }  # fmt: skip
        return our_runs.words(whole)

    def call(self, *words):
        result = subprocess.run([self.program, *map(str, words)], capture_output=True, text=True)
        if result.returncode != 0:
            sys.exit(f"vitrail {words[0]}: {result.stderr}")
        return result.stdout

    def planned_and_run(self, settings, ranks, overlap):
        run = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        words = self.words(settings, overlap)
        if ranks == 1:  # a world of one
            words[words.index("--sharding.communicator") + 1] = "local"
        self.call("launch", "-n", ranks, "--run.dir", run, *words)
        return self.beside(run, ranks, *words, "--message-us", MESSAGE_US)

    def beside(self, run, ranks, *words):
        """What `plan` says of a run that was made."""
        share = min(1, self.cores / ranks)
        return json.loads(self.call(
            "plan", "-n", ranks, *words, "--run.peak_tflops", PEAK_TFLOPS * share, "--mfu", self.mfu, "--memory-gb", 8,
            "--memory-gb-per-s", 35 * share, "--node-gb-per-s", self.link_gb_per_s, "--reserve-gb", 0.2,
            "--measured", run, "--format", "json"))  # fmt: skip

    def calibrate(self, settings):
        self.mfu, self.link_gb_per_s = 1, 1
        self.mfu = self.planned_and_run(settings, 1, True)["measured"]["fitting_mfu"]
        plan = self.planned_and_run(settings, 2, False)
        waited = next(row["measured"] for row in plan["measured"]["figures"] if row["what"] == "waiting for ranks")
        sent = sum(plan["traffic_bytes"].values())
        self.bandwidth_share = plan["inputs"]["bandwidth_share"]
        self.link_gb_per_s = sent / waited / 1e9 / self.bandwidth_share


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--cores", type=int, default=2)
    arguments = parser.parse_args()
    print("| bound by | ranks | overlap | figure | planned | measured | error % |\n|---|---|---|---|---|---|---|")
    for name, settings in MODELS.items():
        with tempfile.TemporaryDirectory() as folder:
            machine = Machine(arguments.program, arguments.cores, arguments.steps, pathlib.Path(folder))
            our_runs.write_noise(machine.folder / "images.safetensors", settings["data.global_batch_size"], settings["model.image_size"])
            machine.calibrate(settings)
            for ranks, overlap in ((1, True), (2, True), (3, True), (4, False), (4, True)):
                plan = machine.planned_and_run(settings, ranks, overlap)
                for row in plan["measured"]["figures"]:
                    print(f"| {name} | {ranks} | {'on' if overlap else 'off'} | {row['what']}, {row['unit']} "
                          f"| {row['planned']:.3g} | {row['measured']:.3g} | {row['error_percent']:.0f} |", flush=True)
            print(f"| {name} | | | share of {PEAK_TFLOPS} TFLOP/s; link, GB/s | {machine.mfu:.2f} "
                  f"| {machine.link_gb_per_s:.2f} | |", flush=True)


if __name__ == "__main__":
    main()
