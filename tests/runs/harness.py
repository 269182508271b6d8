"""What the run tests share: starting the program as a user does, and reading what it leaves behind.

Only Python's standard library. VITRAIL names the program if it is not build/dev/vitrail; VITRAIL_FASHION_MNIST the folder
of the four IDX files where Debian's package is not installed.
"""

import array
import contextlib
import gzip
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests/fixtures"
# ci/long.sh: every combination; else those that show something that no other one shows.
LONG = bool(os.environ.get("VITRAIL_LONG"))
PATIENCE_S = 600  # for one command: only a hang takes that long. It ends before ctest's own timeout, and says where
POLL_S = 0.001
METRICS_TAIL = 8192  # bytes; more than its last two lines
SETTLE_S = 60  # a rank that was killed may still be going when its launcher has gone
MEASURED = (  # in metrics.jsonl; all else is computed
    "images_per_s", "data_wait", "read_mb_per_s", "decode_images_per_s", "queue_depth", "comm_exposed", "memory_bytes",
    "seconds", "phase", "gpu_utilisation", "gpu_power_w", "time", "attempt",
)
SAFETENSORS_CODES = {"F32": "f", "F64": "d", "I64": "q", "U8": "B"}

# A ViT of 30,000 weights with everything that draws random numbers or couples ranks: drop-path, mixing, clipping.
TINY_MODEL = {
    "model.name": "vit_xxs4",
    "model.image_size": 28,
    "model.classes": 10,
    "model.width": 32,
    "model.depth": 2,
    "model.heads": 2,
}
TINY_RUN = TINY_MODEL | {
    "run.seed": 1,
    "run.lanes": 4,
    "run.steps": 20,
    "data.global_batch_size": 32,
    "augment.mixup": 0.8,
    "augment.cutmix": 1.0,
    "model.drop_path": 0.2,
    "model.layer_scale": 0.1,
    "optimizer.name": "lamb",
    "optimizer.lr": 0.005,
    "optimizer.clip_norm": 1.0,
    "schedule.warmup": "5st",
    "ema.decay": 0.9,
}


def flags(settings):
    return [word for key, value in settings.items() for word in (f"--{key}", str(value))]


def fashion_mnist():
    folder = pathlib.Path(os.environ.get("VITRAIL_FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
    if not folder.is_dir():
        sys.exit(f"Fashion-MNIST is not in {folder}: install Debian's dataset-fashion-mnist or set VITRAIL_FASHION_MNIST")
    return folder


def test_images(count):
    """The first images and labels of Fashion-MNIST's test part, as IDX files' contents."""
    images = gzip.decompress((fashion_mnist() / "t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((fashion_mnist() / "t10k-labels-idx1-ubyte.gz").read_bytes())
    head = struct.pack(">I", count)
    return images[:4] + head + images[8 : 16 + count * 784], labels[:4] + head + labels[8 : 8 + count]


def write_grey_png(path, rows):
    """Rows of as many bytes each."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def write_png(path, number):
    """Image `number` of the test images as grey PNG."""
    pixels = test_images(number + 1)[0][16 + number * 784 :]
    write_grey_png(path, [pixels[row * 28 : row * 28 + 28] for row in range(28)])


def read_safetensors(path):
    """{name: (shape, array of numbers)}, and the metadata."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = (entry["shape"], array.array(SAFETENSORS_CODES[entry["dtype"]], data[begin:end]))
    return tensors, metadata


def write_safetensors(path, tensors):
    header, blob = {}, b""
    for name, (shape, values) in tensors.items():
        dtype = {code: dtype for dtype, code in SAFETENSORS_CODES.items()}[values.typecode]
        begin = len(blob)
        blob += values.tobytes()
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, len(blob)]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob)


def read_metrics(run):
    """Lines of steps and lines of evaluations. Floats stay the text they are: equal text is equal bits."""
    text = (run / "metrics.jsonl").read_text()
    lines = [json.loads(line, parse_float=str) for line in text.splitlines()]
    return [x for x in lines if "loss" in x], [x for x in lines if "eval" in x]


def scores(report):
    """What `eval --format json` printed, without what it says of where and when it was made; numbers as the text they are."""
    return {key: value for key, value in json.loads(report, parse_float=str).items() if key != "used"}


def computed(line):
    """What of a step's line does not depend on how fast it was."""
    return {key: value for key, value in line.items() if key not in MEASURED}


def step_of(run):
    """The last whole line of metrics.jsonl, while it is being written."""
    try:
        with open(run / "metrics.jsonl", "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - METRICS_TAIL))
            lines = file.read().split(b"\n")[:-1]
    except FileNotFoundError:
        return 0
    return json.loads(lines[-1])["step"] if lines else 0


def check_same_metrics(test, run, other):
    """Each step once and in order, every value that is computed, and the evaluations."""
    (steps, evaluations), (expected_steps, expected_evaluations) = read_metrics(run), read_metrics(other)
    test.assertEqual([line["step"] for line in steps], list(range(1, len(expected_steps) + 1)))
    for mine, theirs in zip(steps, expected_steps):
        test.assertEqual(computed(mine), computed(theirs))
    test.assertEqual([computed(line) for line in evaluations], [computed(line) for line in expected_evaluations])


def stat_of(pid):
    """What /proc says of a process, from its state on."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def is_stopped(pid):
    """By SIGSTOP."""
    with contextlib.suppress(OSError):  # it ended while we looked
        return stat_of(pid)[0] == "T"
    return False


def has_pending(pid, number):
    """A signal has come that the process has not looked at yet."""
    fields = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return any(int(fields[kind], 16) >> (number - 1) & 1 for kind in ("SigPnd", "ShdPnd"))


def mpirun():
    """More ranks than processors, wherever they fit, also for root; what to start is to follow."""
    root = ["--allow-run-as-root"] * (os.geteuid() == 0)
    return ["mpirun", "--oversubscribe", "--bind-to", "none", "--quiet", *root]


def may_name_hosts():
    """Whether this user may give processes another host name than the machine's."""
    return os.geteuid() == 0 and subprocess.run(["unshare", "--uts", "true"], check=False, capture_output=True).returncode == 0


class Job:
    """A command in a session of its own. mpirun and the ranks stay in that session: it tells which processes are ours."""

    def __init__(self, words, environment, folder):
        self.words = [str(word) for word in words]
        self.streams = pathlib.Path(tempfile.mkdtemp(prefix="job-", dir=folder))
        with open(self.streams / "out", "wb") as out, open(self.streams / "err", "wb") as err:
            self.process = subprocess.Popen(
                self.words, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment, start_new_session=True
            )
        self.deadline = time.monotonic() + PATIENCE_S

    def members(self):
        """Ids of the session's living processes, launch and mpirun included."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            with contextlib.suppress(OSError):  # it ended while we looked
                fields = stat_of(entry.name)
                if int(fields[3]) == self.process.pid and fields[0] not in "ZX":
                    found.append(int(entry.name))
        return found

    def ranks(self):
        """Ids of the rank processes, `vitrail train ...`."""
        found = []
        for pid in self.members():
            with contextlib.suppress(OSError):
                if pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1:2] == [b"train"]:
                    found.append(pid)
        return sorted(found)

    def kill(self):
        """-9 for every process of the session, as when the machine loses power; returns when none is left.

        All are stopped first and ranks end first: the kernel lets a stopped process go on whose parent is gone."""
        while members := self.members():
            for number, pids in ((signal.SIGSTOP, members), (signal.SIGKILL, [*self.ranks(), *members])):
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, number)
            time.sleep(POLL_S)
        return self.process.wait()

    def wait_for(self, condition, what):
        """Until the condition holds; the job must still be running then."""
        while not condition():
            if self.process.poll() is not None:
                raise AssertionError(f"ended before {what}: {self.report()}")
            if time.monotonic() > self.deadline:
                raise AssertionError(f"no {what} within {PATIENCE_S} s: {self.report()}")
            time.sleep(POLL_S)

    def finish(self, expect=0):
        """Waits for the end: (stdout, stderr) if the exit status is the expected one and no process is left."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0, self.deadline - time.monotonic()))
        status = self.process.returncode
        if status is None:
            raise AssertionError(f"no end within {PATIENCE_S} s: {self.report()}")
        if status != expect:
            raise AssertionError(f"exit status {status}, not {expect}: {self.report()}")
        settled = time.monotonic() + SETTLE_S
        while (left := self.members()) and time.monotonic() < settled:
            time.sleep(POLL_S)
        if left:
            raise AssertionError(f"processes {left} are left: {self.report()}")
        return self.text("out"), self.text("err")

    def report(self):
        return f"{' '.join(self.words)}\n{self.text('out')}{self.text('err')}"

    def text(self, stream):
        return (self.streams / stream).read_text()


class RunTest(unittest.TestCase):
    """Tests that share a temporary folder, removed when the last is done, and the packs they make in it."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="vitrail-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.program = os.environ.get("VITRAIL", ROOT / "build/dev/vitrail")
        # What MPI leaves behind after kill -9 goes into our folder too, not into /tmp and /dev/shm.
        cls.scratch = cls.folder / "scratch"
        cls.scratch.mkdir()
        outside = {key: value for key, value in os.environ.items() if not key.startswith("SLURM_")}
        places = ("TMPDIR", "OMPI_MCA_btl_vader_backing_directory")
        cls.environment = outside | dict.fromkeys(places, str(cls.scratch))

    def skip(self, reason):
        print(f"skipped: {reason}")  # ci/test.sh shows these lines
        self.skipTest(reason)

    def limited_group(self):
        """A cgroup with the time of one processor, of version 1 or 2; skips where this user may make none."""
        for root, limit in (("/sys/fs/cgroup/cpu", ("cpu.cfs_quota_us", "100000")), ("/sys/fs/cgroup", ("cpu.max", "100000 100000"))):
            group = pathlib.Path(root) / f"vitrail-{os.getpid()}"
            try:
                group.mkdir()
                self.addCleanup(group.rmdir)
                (group / limit[0]).write_text(limit[1])
            except OSError:
                continue
            return group
        self.skip("a quota of time: this user may make no cgroup here")

    @classmethod
    def start(cls, *words, ranks=None):
        """A command that goes on by itself; with ranks: under mpirun."""
        launcher = [] if ranks is None else [*mpirun(), "-n", ranks]
        return cls.start_words(*launcher, cls.program, *words)

    @classmethod
    def start_held(cls, settings, ranks, step, phase="data", command=None):
        """launch, or another command, and the id of its rank 0, which has stopped itself in that step, however fast the machine is."""
        held = {
            "run.fault": f"{phase}:0:{step}:stop",
            "watchdog.step": "0s", "watchdog.other": "0s", "sharding.timeout": "0s",  # it is no fault that the others wait
        }
        job = cls.start_words(*(command or (cls.program, "launch", "-n", ranks)), *flags(settings | held))
        stopped = []
        job.wait_for(lambda: stopped.extend(pid for pid in job.ranks() if is_stopped(pid)) or stopped, f"stop in step {step}")
        return job, stopped[0]

    @classmethod
    def start_words(cls, *words):
        """Any command line."""
        job = Job([*words], cls.environment, cls.scratch)
        cls.addClassCleanup(job.kill)
        return job

    @classmethod
    def vitrail(cls, *words, expect=0, ranks=None):
        """Runs a command to its end: (stdout, stderr)."""
        return cls.start(*words, ranks=ranks).finish(expect)

    @classmethod
    def make_pack(cls, name, images):
        """A pack of the first so many test images of Fashion-MNIST."""
        source = cls.make_idx(name, images)
        cls.vitrail("pack", "--source", source, "--output", cls.folder / name)
        return cls.folder / name

    @classmethod
    def make_idx(cls, name, images):
        paths = cls.folder / f"{name}-images", cls.folder / f"{name}-labels"
        for path, content in zip(paths, test_images(images)):
            path.write_bytes(content)
        return f"idx:{paths[0]},{paths[1]}"

    def launch(self, run, ranks, settings, expect=0):
        """Trains to the end, with ranks None without a launcher; (stdout, stderr)."""
        command = ["train"] if ranks is None else ["launch", "-n", ranks]
        return self.vitrail(*command, *flags(settings | {"run.dir": run}), expect=expect)

    def hashes_of(self, *runs, part="all"):
        """By one process for all of them: loading LibTorch takes most of its time."""
        text = self.vitrail("checkpoint", "hash", *(run / "checkpoints/latest" for run in runs), "--part", part)[0]
        self.assertRegex(text, f"^([0-9a-f]{{32}}\\b.*\n){{{len(runs)}}}$")
        return [line.split()[0] for line in text.splitlines()]

    def hash_of(self, run, part="all"):
        return self.hashes_of(run, part=part)[0]

    def check_same_state(self, run, other):
        mine, theirs = self.hashes_of(run, other)
        self.assertEqual(mine, theirs)
