"""TensorBoard's own reader opens the event files of `vitrail report`: every step's numbers, the evaluations, the settings;
of a real run also pictures: maps of attention, pixel by pixel those of `vitrail attention`, and a preview.

    tensorboard_interop.py VITRAIL
"""

import io
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

from PIL import Image
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.plugins.hparams import metadata, plugin_data_pb2

STEPS = 300
SAMPLES = 2
TINY = {"model.name": "vit_xxs4", "model.image_size": 28, "model.classes": 10, "model.width": 32, "model.depth": 2, "model.heads": 2,
        "run.lanes": 4, "run.steps": 3, "data.global_batch_size": 32, "data.train": "synthetic:64,10,28"}


def write_run(folder):
    """As a run leaves it; numbers that no 32-bit float holds exactly."""
    folder.mkdir(parents=True)
    lines = []
    for step in range(1, STEPS + 1):
        time = f"2026-11-29T06:{step // 60:02}:{step % 60:02}.250Z"
        lines.append({"step": step, "epoch": step / 100, "loss": 7 / step, "lr": 0.001 * step, "memory_bytes": 61 * 10**9 + step,
                      "attempt": 1, "time": time})
        if step % 100 == 0:
            lines.append({"step": step, "eval": {"images": 8, "top1": step / 7, "loss": 1 / step}, "attempt": 1, "time": time})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "config.cfg").write_text("[optimizer]\nlr = 0.001\nname = lamb\n[model]\nlayer_scale = 0.1\n[data]\nval =\n")
    (folder / "finished.json").write_text('{"step": %d, "launch": "", "writer": "w"}\n' % STEPS)
    return lines


def as_float(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def check(found, expected, what):
    if found != expected:
        sys.exit(f"{what}: TensorBoard reads {found}, written was {expected}")


def pictures_of(read, tag):
    """(step, picture) of each, whichever form TensorBoard keeps them in."""
    if tag in read.Tags()["images"]:
        return [(one.step, one.encoded_image_string) for one in read.Images(tag)]
    return [(one.step, one.tensor_proto.string_val[2]) for one in read.Tensors(tag)]


def check_pictures(vitrail, folder):
    run = folder / "seen"
    source = TINY["data.train"]

    def quietly(*words):
        subprocess.run([vitrail, *map(str, words)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    quietly("train", "--run.dir", run, *(word for key, value in TINY.items() for word in (f"--{key}", value)))
    quietly("attention", "--checkpoint", run, "--data", source, "--output", folder / "maps", "--samples", SAMPLES)
    quietly("report", run, "--format", "tensorboard", "--output", folder / "pictures", "--attention", source, "--preview", source, "--samples", SAMPLES)
    read = event_accumulator.EventAccumulator(str(folder / "pictures/seen"))
    read.Reload()
    for i in range(SAMPLES):
        expected = Image.open(folder / f"maps/{i:06}.png").convert("RGB")
        (step, found), = pictures_of(read, f"attention/{i}")
        check((step, Image.open(io.BytesIO(found)).convert("RGB").tobytes()), (3, expected.tobytes()), f"attention/{i}")
    (step, found), = pictures_of(read, "preview")
    if step != 0 or Image.open(io.BytesIO(found)).height < SAMPLES * 28:
        sys.exit(f"preview: step {step}")


def main():
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        check_pictures(sys.argv[1], folder)
        lines = write_run(folder / "runs/first")
        events = folder / "events"
        for _ in range(2):  # the second time they are replaced
            subprocess.run([sys.argv[1], "report", folder / "runs/first", "--format", "tensorboard", "--output", events],
                           check=True, stdout=subprocess.DEVNULL)
        check(len(list((events / "first").iterdir())), 1, "files")
        read = event_accumulator.EventAccumulator(str(events / "first"), size_guidance={event_accumulator.SCALARS: 0, event_accumulator.TENSORS: 0})
        read.Reload()
        check(read.file_version if hasattr(read, "file_version") else read.FileVersion(), 2.0, "version")
        tensors = {tag: [(one.step, one.tensor_proto.float_val[0]) for one in read.Tensors(tag)] for tag in read.Tags()["tensors"]
                   if not tag.startswith("_hparams_")}
        scalars = {tag: [(one.step, one.value) for one in read.Scalars(tag)] for tag in read.Tags()["scalars"]}
        found = tensors | scalars
        for tag in ("loss", "lr", "memory_bytes"):
            check(found[f"train/{tag}"], [(line["step"], as_float(line[tag])) for line in lines if tag in line], f"train/{tag}")
        for tag in ("top1", "loss"):
            check(found[f"eval/{tag}"], [(line["step"], as_float(line["eval"][tag])) for line in lines if "eval" in line], f"eval/{tag}")
        check({tag for tag in found}, {"train/loss", "train/lr", "train/memory_bytes", "eval/top1", "eval/loss"}, "tags")
        plugin = read.summary_metadata if hasattr(read, "summary_metadata") else {}
        start = metadata.parse_session_start_info_plugin_data(plugin["_hparams_/session_start_info"].plugin_data.content)
        settings = {key: getattr(value, value.WhichOneof("kind")) for key, value in start.hparams.items()}
        check(settings, {"optimizer.lr": 0.001, "optimizer.name": "lamb", "model.layer_scale": 0.1, "data.val": ""}, "hyperparameters")
        check(start.group_name, "first", "session's group")
        end = metadata.parse_session_end_info_plugin_data(plugin["_hparams_/session_end_info"].plugin_data.content)
        check(plugin_data_pb2.SessionEndInfo.DESCRIPTOR.full_name, end.DESCRIPTOR.full_name, "end")
        check(end.end_time_secs - start.start_time_secs, STEPS - 1.0, "seconds of the session")
    print(f"tensorboard: {len(found)} scalars of {STEPS} steps, {len(settings)} hyperparameters, {SAMPLES + 1} pictures, read by TensorBoard")


if __name__ == "__main__":
    main()
