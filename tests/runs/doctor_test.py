"""What `vitrail doctor` and `launch --check` say, each check provoked as far as one machine can: limits, masks, clocks, programs
and folders that differ between ranks, links of a known rate, packs that are damaged, a management library for GPUs that are
not there."""

import contextlib
import errno
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

import harness

sys.path.append(str(harness.ROOT / "tests" / "bench" / "simulated"))
import nodes

REFUSED, IO, USAGE = 78, 74, 2
FAILING_IO = os.environ.get("VITRAIL_FAILING_IO", harness.ROOT / "build/dev/libfailing_io.so")
SETTINGS = harness.TINY_RUN | {"data.workers": 1, "checkpoint.every": "10min"}
MIB = 1 << 20


def may_mount():
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode == 0


class DoctorTest(harness.RunTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pack = cls.make_pack("images", 64)
        cls.settings = SETTINGS | {"data.train": cls.pack, "run.dir": cls.folder / "run"}

    def run_words(self, words, expect, environment=None):
        changed = {key: value for key, value in (self.environment | (environment or {})).items() if value is not None}
        done = subprocess.run([str(word) for word in words], env=changed, text=True, capture_output=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=harness.PATIENCE_S)  # fmt: skip
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done

    def checks(self, words, expect=0, environment=None):
        """{check: what was found} of a command that prints JSON."""
        out = self.run_words(words, expect, environment).stdout
        document = json.loads(out)
        self.assertEqual(document["verdict"] == "failed", expect in (IO, REFUSED))
        for check in document["checks"]:
            self.assertTrue(check["figure"], check)
            if check["verdict"] in ("warning", "failed"):
                self.assertTrue(check["remedy"], check)
        return {check["check"]: check for check in document["checks"]}

    def doctor(self, *words, ranks=None, prefix=(), expect=0, settings=None, **environment):
        launcher = [*harness.mpirun(), "-n", ranks] if ranks else []
        words = [*launcher, *prefix, self.program, "doctor", "--format", "json", *harness.flags(settings or {}), *words]
        return self.checks(words, expect, environment)

    def before_start(self, *words, expect=0, prefix=(), settings=None, **environment):
        words = [*prefix, self.program, "launch", "--check", "--format", "json", *harness.flags(settings or self.settings), *words]
        return self.checks(words, expect, environment)

    def check_found(self, found, verdict, *figures, remedy=""):
        self.assertEqual(found["verdict"], verdict, found)
        for figure in figures:
            self.assertIn(figure, found["figure"])
        self.assertIn(remedy, found["remedy"])

    def two_worlds(self, first, second, *words, expect=0, settings=None):
        """Two ranks, started with other prefixes."""
        command = ["doctor", "--format", "json", *harness.flags(settings or {}), *words]
        words = [*harness.mpirun(), "-n", 1, *first, *command, ":", "-n", 1, *second, *command]
        return self.checks(words, expect)

    def in_mounts(self, script):
        """Starts what follows in a mount namespace of its own, after that script."""
        if not may_mount():
            self.skip("file systems of a test's own: this user may not mount any")
        return ["unshare", "--mount", "sh", "-c", script + ' && exec "$@"', "sh"]

    def test_alone(self):
        found = self.doctor()
        self.check_found(found["tasks"], "ok", "one process")
        self.check_found(found["clocks"], "not known here")
        self.check_found(found["programs"], "ok", "LibTorch", "Open MPI", "HDF5", "NCCL", "CUDA", "vitrail")
        self.assertNotIn("across nodes", found)
        self.assertNotIn("settings", found)
        self.assertNotIn("room", found)

    def test_table(self):
        """One line a check, the same as in JSON; what is to be done below."""
        found = self.doctor("--run.threads", 99, settings=self.settings | {"run.lanes": 4})
        text = self.run_words([self.program, "doctor", *harness.flags(self.settings), "--run.threads", 99], 0).stdout
        for name, check in found.items():
            self.assertRegex(text, rf"(?m)^  {re.escape(name)} +{check['verdict']}  ")
        self.assertRegex(text, r"(?m)^ +-> give ranks more processors")
        self.assertLessEqual(max(map(len, text.splitlines())), 120)
        self.assertRegex(text.splitlines()[-1], r"^\d+ ok, \d+ warnings?, \d+ not known here$")

    def test_wrong_flag(self):
        err = self.run_words([self.program, "doctor", "--run.lane", 4], USAGE).stderr
        self.assertIn("--run.lane: unknown key; nearest known key: run.lanes", err)
        err = self.run_words([self.program, "launch", "--links", "x"], USAGE).stderr
        self.assertIn("nothing uses this without --doctor", err)

    def test_ranks(self):
        for words in ([*harness.mpirun(), "-n", 4, self.program, "doctor"], [self.program, "launch", "-n", 4, "--doctor"]):
            found = self.checks([*words, "--format", "json", *harness.flags(self.settings)])
            self.check_found(found["tasks"], "ok", "4 tasks by mpirun, joined to one world on 1 node")
            self.assertEqual(found["inside a node"]["numbers"]["pairs"], 6)
            self.assertGreater(found["inside a node"]["numbers"]["gb_per_s"], 0.05)
            self.check_found(found["all-reduce"], "ok", "of gradients in")
            self.check_found(found["seen by all"], "ok")
            self.check_found(found["clocks"], "ok")
            self.check_found(found["settings"], "ok", "vit_xxs4 at 28 px, batch 32 in 4 micro-batches (run.lanes) on 4 ranks")
        found = self.checks([self.program, "launch", "-n", 2, "--doctor", "--format", "json"])
        self.check_found(found["inside a node"], "ok", "each way")
        self.assertNotIn("settings", found)
        self.assertFalse((self.folder / "run").exists())
        self.assertEqual(list(self.folder.glob(".vitrail-doctor*")), [])

    def test_links_go_into_plans(self):
        links = self.folder / "links.json"
        self.doctor("--links", links, ranks=2)
        measured = json.loads(links.read_text())
        self.assertEqual((measured["ranks"], measured["nodes"], measured["network_gb_per_s"]), (2, 1, None))
        plan = [self.program, "plan", *harness.flags(self.settings), "--gpu", "a100", "-n", 2, "--format", "json"]
        plain = json.loads(self.run_words(plan, 0).stdout)
        followed = json.loads(self.run_words([*plan, "--measured-links", links], 0).stdout)
        self.assertEqual(followed["inputs"]["node_gb_per_s"], measured["node_gb_per_s"])
        self.assertAlmostEqual(followed["inputs"]["message_us"] / measured["node_us"], 1, delta=1e-12)  # through seconds, and back
        self.assertGreater(followed["step"]["norms_s"], plain["step"]["norms_s"])
        slower = measured | {"node_gb_per_s": measured["node_gb_per_s"] / 1e6}
        links.write_text(json.dumps(slower))
        exposed = json.loads(self.run_words([*plan, "--measured-links", links], 0).stdout)["step"]["gradients_exposed_s"]
        self.assertGreater(exposed, 50 * followed["step"]["gradients_exposed_s"])
        err = self.run_words([*plan, "--measured-links", links, "--message-us", 3], USAGE).stderr
        self.assertIn("--message-us and --measured-links", err)
        links.write_text("{}")
        self.assertIn("no file of measured links", self.run_words([*plan, "--measured-links", links], 65).stderr)

    def test_slow_network(self):
        """Two nodes with links of 200 Mbit/s."""
        if not may_mount() or not shutil.which("tc"):
            self.skip("links of a known rate: needs root, ip and tc")
        out, links = self.folder / "slow.json", self.folder / "slow-links.json"
        with nodes.Nodes(2, 200) as pair:
            line = f"{self.program} doctor --format json --network-gb-per-s 0.2 --links {links} >{out}"
            pair.mpirun(2, ["sh", "-c", f"[ $OMPI_COMM_WORLD_RANK = 0 ] && exec {line}; exec {line}.other"])
        found = {check["check"]: check for check in json.loads(out.read_text())["checks"]}
        self.check_found(found["tasks"], "ok", "joined to one world on 2 nodes")
        self.check_found(found["across nodes"], "warning", "plan counts with 0.2 GB/s (by hand)", remedy="--measured-links")
        each = json.loads(links.read_text())["network_gb_per_s"]  # of one rank, while the other one sends as much
        self.assertGreater(2 * each, 0.025 * 0.7)
        self.assertLess(2 * each, 0.025 * 1.1)

    def test_tasks_that_nobody_joined(self):
        step = {"SLURM_JOB_ID": "7", "SLURM_NNODES": "1", "SLURM_STEP_NUM_TASKS": "2", "SLURM_MPI_TYPE": "pmi2"}
        found = self.doctor(expect=REFUSED, SLURM_PROCID="0", **step)
        self.check_found(found["tasks"], "failed", "2 tasks were started by srun --mpi=pmi2", remedy="srun --mpi=pmix")
        done = self.run_words([self.program, "doctor"], REFUSED, step | {"SLURM_PROCID": "1"})
        self.assertEqual(done.stdout + done.stderr, "")

    def test_programs_differ(self):
        other = self.folder / "other-program"
        shutil.copy(self.program, other)
        with open(other, "ab") as file:
            file.write(b"x")
        found = self.two_worlds([self.program], [other], expect=REFUSED)
        self.check_found(found["programs"], "failed", "program file is", "on rank 1")

    def test_processors_differ(self):
        """LibTorch takes the instructions that it is told for those that there are."""
        found = self.two_worlds([self.program], ["env", "ATEN_CPU_CAPABILITY=default", self.program])
        self.check_found(found["processor type"], "warning", "DEFAULT on", remedy="--constraint")

    def test_masks(self):
        last = str(sorted(os.sched_getaffinity(0))[-1])
        found = self.doctor("--run.threads", 2, settings=self.settings, prefix=["taskset", "-c", last])
        self.check_found(found["processors"], "warning", "2 compute threads (run.threads = 2)", "for 1 processor", remedy="--cpus-per-task")
        found = self.doctor(prefix=["taskset", "-c", last])
        self.check_found(found["processors"], "ok", f"1 (mask {last})")

    def test_quota_of_time(self):
        prefix = ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', self.limited_group()]
        found = self.doctor("--run.threads", 2, settings=self.settings, prefix=prefix)
        self.check_found(found["processors"], "warning", "2 compute threads (run.threads = 2)", "for 1 processor")

    def test_limits(self):
        found = self.doctor(prefix=["sh", "-c", 'ulimit -n 64; ulimit -l 64; exec "$@"', "sh"])
        self.check_found(found["open files"], "warning", "at most 64", remedy="ulimit -n 4096")
        self.check_found(found["locked memory"], "ok", "at most 65.5 kB", "InfiniBand")
        fabric = self.in_mounts("mount -t tmpfs none /sys/class && mkdir -p /sys/class/infiniband/mlx5_0 && ulimit -l 64")
        self.check_found(self.doctor(prefix=fabric)["locked memory"], "warning", "with InfiniBand", remedy="LimitMEMLOCK")

    def test_shared_memory(self):
        small = self.in_mounts("mount -t tmpfs -o size=1m tmpfs /dev/shm")
        self.check_found(self.doctor(prefix=small)["/dev/shm"], "warning", "1.0 MB free", remedy="--shm-size")

    def test_locale(self):
        found = self.doctor(LC_ALL="xx_YY.UTF-8")
        self.check_found(found["locale"], "warning", "LC_ALL = xx_YY.UTF-8", remedy="C.UTF-8")
        self.check_found(self.doctor(LC_ALL="C.UTF-8")["locale"], "ok")

    def test_clocks(self):
        if not shutil.which("faketime"):
            self.skip("a clock that is wrong: faketime is not installed")
        for shift, seconds, verdict, expect in (("+5s", 5, "warning", 0), ("-1h", -3600, "failed", REFUSED)):
            other = ["env", "DONT_FAKE_MONOTONIC=1", "faketime", "-f", shift, self.program]
            found = self.two_worlds([self.program], other, expect=expect)
            self.check_found(found["clocks"], verdict, "ahead of" if seconds > 0 else "behind", remedy="run.stop_before")
            self.assertAlmostEqual(found["clocks"]["numbers"]["seconds"], seconds, delta=0.9)

    def test_gpus_that_were_promised(self):
        if pathlib.Path("/dev/nvidia0").exists():
            self.skip("a promised GPU that is missing: this machine has one")
        self.check_found(self.doctor()["devices"], "not known here", "none seen")
        found = self.doctor(expect=REFUSED, SLURM_GPUS_ON_NODE="1")
        self.check_found(found["devices"], "failed", "SLURM_GPUS_ON_NODE = 1")
        found = self.doctor("--run.device", "cpu", SLURM_GPUS_ON_NODE="1")
        self.check_found(found["devices"], "ok", "run.device = cpu")

    def test_gpus(self):
        """By a management library of the test's own."""
        library = os.environ.get("VITRAIL_STAND_IN_NVML")
        if not library:
            self.skip("GPUs that are not there: VITRAIL_STAND_IN_NVML names no library")
        stand_in = {"LD_LIBRARY_PATH": str(pathlib.Path(library).parent)}
        found = self.doctor(**stand_in)
        self.check_found(found["devices"], "warning", "2 x NVIDIA H100 80GB HBM3 on 1 node", "without CUDA")
        self.check_found(self.doctor("--run.device", "cuda", expect=REFUSED, **stand_in)["devices"], "failed", "without CUDA")
        # Its data sheet is what links are held against.
        found = self.doctor(ranks=2, **stand_in)
        self.check_found(found["inside a node"], "warning", "plan counts with 360 GB/s (80 % of H100 80 GB's data sheet)")
        self.check_found(found["driver"], "ok", "580.65.06")
        for check in ("compute mode", "ECC", "shared with"):
            self.check_found(found[check], "ok")
        bad = {"NVML_COMPUTE_MODE": "2", "NVML_UNCORRECTED": "3", "NVML_PROCESS": "4711"}
        found = self.doctor(expect=REFUSED, **stand_in, **bad)
        self.check_found(found["compute mode"], "failed", "prohibited", remedy="nvidia-smi -c DEFAULT")
        self.check_found(found["ECC"], "failed", "uncorrected errors", remedy="--exclude")
        self.check_found(found["shared with"], "warning", "with process 4711")
        self.check_found(self.doctor(**stand_in, NVML_ECC="0")["ECC"], "warning", "off")

    def small(self, options):
        """A file system of such options in the place of folder `small`."""
        place = self.folder / "small"
        place.mkdir(exist_ok=True)
        return self.in_mounts(f"mount -t tmpfs -o {options} tmpfs {place}"), self.settings | {"run.dir": place / "run"}

    def test_room(self):
        prefix, settings = self.small("size=17m")  # 16 MiB are written to see how fast that is
        found = self.before_start(prefix=prefix, settings=settings)
        self.check_found(found["file system"], "warning", "tmpfs", remedy="run.dir")
        self.check_found(found["room"], "ok", "3 checkpoints of")
        wide = settings | {"model.width": 256, "model.depth": 6}  # 4.7 M parameters, four values each
        found = self.before_start(prefix=prefix, settings=wide, expect=REFUSED)
        self.check_found(found["room"], "failed", "17.8 MB free; 3 checkpoints of", remedy="checkpoint.keep_last")
        prefix, settings = self.small("size=60m,nr_inodes=30")
        found = self.before_start(prefix=prefix, settings=settings | {"checkpoint.keep_last": 20}, expect=REFUSED)
        self.check_found(found["inodes"], "failed", "free; the run makes", remedy="keep_last")

    def test_slower_than_checkpoints_come(self):
        wide = self.settings | {"model.width": 1024, "model.depth": 12, "checkpoint.every": "1s"}  # 2.4 GB
        found = self.before_start(settings=wide)
        self.check_found(found["write rate"], "warning", "and one is due every 1 s", remedy="checkpoint.every = ")

    def test_folders_that_cannot_be_written(self):
        place = self.folder / "read-only"
        place.mkdir()
        prefix = self.in_mounts(f"mount -t tmpfs -o ro tmpfs {place}")
        found = self.before_start(prefix=prefix, settings=self.settings | {"run.dir": place / "run"}, expect=REFUSED)
        self.check_found(found["file system"], "failed", "Read-only file system", remedy="run.dir")
        plain = self.folder / "plain"
        plain.write_text("")
        found = self.before_start(settings=self.settings | {"run.dir": plain}, expect=REFUSED)
        self.check_found(found["state"], "failed", "there is a file of this name", remedy="run.dir")

    def test_a_disk_that_refuses_once(self):
        """I/O may pass: in a job, the status lets it be tried again."""
        place = self.folder / "flaky"
        place.mkdir()
        failing = {"LD_PRELOAD": str(FAILING_IO), "FAILING_IO": f"0:1:{errno.EIO}:{place}"}
        found = self.before_start(settings=self.settings | {"run.dir": place / "run"}, expect=IO, **failing)
        self.check_found(found["file system"], "failed", "Input/output error", remedy="run.dir")
        wrong = self.settings | {"run.dir": place / "run", "data.global_batch_size": 30}
        self.before_start(settings=wrong, expect=REFUSED, **failing)
        self.before_start(settings=self.settings | {"run.dir": place / "run"})

    def test_limit_of_files(self):
        """As a quota: there is room, and not for this user."""
        wide = self.settings | {"model.width": 512, "model.depth": 12}
        prefix = ["sh", "-c", f'ulimit -f {40 * 1024}; exec "$@"', "sh"]  # kB or blocks of 512 bytes, by the shell
        found = self.before_start(prefix=prefix, settings=wide, expect=REFUSED)
        self.check_found(found["quota"], "failed", "cannot be reserved: File too large", remedy="ulimit -f")
        self.assertIn(self.before_start(settings=wide)["quota"]["verdict"], ("ok", "not known here"))

    def test_folder_that_ranks_do_not_share(self):
        place = self.folder / "private"
        place.mkdir()
        other = self.in_mounts(f"mount -t tmpfs tmpfs {place}")
        found = self.two_worlds([self.program], [*other, self.program], settings={"run.dir": place / "run"}, expect=REFUSED)
        self.check_found(found["seen by all"], "failed", "did not see what", remedy="all nodes share")

    def test_data(self):
        found = self.doctor(settings=self.settings)
        self.check_found(found["data.train"], "ok", "64 images of 10 classes; the index has its hash")
        self.check_found(found["decoding"], "ok", "images/s", "--expect NAME")
        found = self.doctor("--expect", "h100", settings=self.settings, ranks=2)
        self.check_found(found["decoding"], "warning", "by plan the model takes", remedy="cores for a rank would do")
        label = json.loads((self.pack / "manifest.json").read_text())["index"]["label"]["address"]
        for damage, place in (("index.h5", label), ("manifest.json", 100)):
            broken = self.folder / f"broken-{damage}"
            shutil.copytree(self.pack, broken)
            content = bytearray((broken / damage).read_bytes())
            content[place] ^= 1
            (broken / damage).write_bytes(content)
            for ranks in (None, 2):
                found = self.doctor(settings=self.settings | {"data.train": broken}, ranks=ranks, expect=REFUSED)
                self.check_found(found["data.train"], "failed", str(broken))
        no_shard = self.folder / "no-shard"
        shutil.copytree(self.pack, no_shard)
        next(no_shard.glob("shard*")).unlink()
        found = self.before_start(settings=self.settings | {"data.train": no_shard}, expect=REFUSED)
        self.check_found(found["data.train"], "failed", "shard-00000-of-00001.h5")
        found = self.before_start(settings=self.settings | {"data.val": self.folder / "none"}, expect=REFUSED)
        self.check_found(found["data.val"], "failed", "no such folder")
        found = self.before_start(settings=self.settings | {"model.classes": 5}, expect=REFUSED)
        self.check_found(found["data.train"], "failed", "model.classes = 5", remedy="set model.classes = 10")

    def test_before_start(self):
        found = self.before_start("-n", 2, "--time-limit", "24:00:00", "--signal-lead", 180)
        self.check_found(found["settings"], "ok", "on 2 ranks")
        self.check_found(found["state"], "ok", "begins")
        self.check_found(found["time limit"], "ok", "24 h; the warning comes 3 min before its end")
        self.assertNotIn("inside a node", found)
        self.assertFalse((self.folder / "run").exists())
        found = self.before_start("-n", 3, "--time-limit", "3:00", "--signal-lead", 180, expect=REFUSED)
        self.check_found(found["settings"], "warning", remedy="2 or 4 ranks share them evenly")
        self.check_found(found["time limit"], "failed", "3 min", remedy="sbatch --time=8 or more")
        found = self.before_start("-n", 8, expect=REFUSED)
        self.check_found(found["settings"], "failed", "8 ranks with run.lanes = 4", remedy="start at most 4 ranks")
        found = self.before_start(settings=self.settings | {"data.global_batch_size": 30}, expect=REFUSED)
        self.check_found(found["settings"], "failed", "data.global_batch_size = 30 with run.lanes = 4")
        found = self.before_start(settings=self.settings | {"model.width": 33}, expect=REFUSED)
        self.check_found(found["settings"], "failed", "model.width = 33")
        found = self.before_start(settings=self.settings | {"model.weights": self.folder / "none"}, expect=REFUSED)
        self.check_found(found["model.weights"], "failed", "there is no such file or folder")

    def test_run_that_is_there(self):
        run = self.folder / "there"
        settings = self.settings | {"run.dir": run, "run.steps": 8, "schedule.warmup": "1st"}
        self.vitrail("train", *harness.flags(settings | {"run.fault": "data:0:2:ask"}), expect=85)
        found = self.before_start(settings=settings)
        self.check_found(found["state"], "ok", "goes on after step")
        found = self.before_start(settings=self.settings | {"model.weights": run})
        self.check_found(found["model.weights"], "warning", "unfinished: step")
        self.vitrail("train", *harness.flags(settings))
        self.check_found(self.before_start(settings=settings)["state"], "warning", "has finished: step 8 of 8")
        held = settings | {"run.dir": self.folder / "held", "run.steps": 50}
        job, _ = self.start_held(held, 2, 2)
        self.check_found(self.before_start(settings=held)["state"], "warning", "which is still running")
        job.kill()


if __name__ == "__main__":
    unittest.main()
