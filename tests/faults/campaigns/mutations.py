"""F8: checkpoints damaged at random against the reader, under AddressSanitizer (tests/unit/trainer/checkpoint/checkpoint_damage_test.cpp);
F9, F16: the fuzzers of tests/fuzz."""

import os
import pathlib
import subprocess

import harness
from campaign import Campaign, skip

BUILD = harness.ROOT / "build"
MEMORY = pathlib.Path("/dev/shm")


class Mutations(Campaign):
    name, test, what = "mutations", "F8", "damaged checkpoints under ASan: refused by name, or read as they were written"
    wanted = 10000
    PROGRAM = BUILD / "asan-plain" / "unit_trainer"
    EACH = 1000

    BUILT_BY = "ci/checks.sh --stage sanitizers"

    @classmethod
    def setUpClass(cls):
        if not cls.PROGRAM.exists():
            raise skip(f"{cls.PROGRAM.relative_to(harness.ROOT)} is not there: {cls.BUILT_BY}")
        super().setUpClass()

    def play(self):
        seed = self.random.getrandbits(32)
        environment = self.environment | {"VITRAIL_MUTATIONS": str(self.EACH), "VITRAIL_TEST_SEED": str(seed)}
        if MEMORY.is_dir():
            environment["TEST_TMPDIR"] = str(MEMORY)
        self.check_quiet([self.PROGRAM, "--gtest_filter=CheckpointDamage.*"], environment)
        return self.EACH

    def check_quiet(self, words, environment):
        done = subprocess.run(words, env=environment, capture_output=True, text=True, errors="replace", check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class Fuzzing(Mutations):
    name, test, what = "fuzzing", "F9,F16", "minutes of the fuzzers: images, archives, packs, checkpoints, configurations"
    wanted = 60
    TARGETS = ("archive", "checkpoint", "config", "image", "manifest", "matlab", "pack", "spool")
    PROGRAM = BUILD / "fuzz" / "fuzz_spool"
    BUILT_BY = "ci/long.sh --stage fuzz"
    SECONDS = 60  # all targets together

    def play(self):
        found = self.round_folder / "found"
        found.mkdir()
        for target in self.TARGETS:
            corpus = BUILD / "fuzz" / "corpus" / target
            corpus.mkdir(parents=True, exist_ok=True)
            limits = [f"-max_total_time={self.SECONDS // len(self.TARGETS)}", "-timeout=30", "-rss_limit_mb=4096"]
            words = [self.PROGRAM.with_name(f"fuzz_{target}"), *limits, "-verbosity=0", f"-seed={self.random.getrandbits(31)}"]
            self.check_quiet([*words, f"-artifact_prefix={found}/{target}-", corpus, harness.ROOT / "tests/fuzz/corpus" / target],
                             dict(os.environ))
        return 1
