"""The short forms of those campaigns that no other test stands for, and the ledger in which the long ones add up."""

import pathlib
import sys
import tempfile
import types
import unittest

import faults

sys.path.append(str(pathlib.Path(__file__).parent / "campaigns"))
import ledger
import long
from campaign import Campaign


class ShortFormsTest(unittest.TestCase):
    def test_short_forms(self):
        for campaign in long.CAMPAIGNS:
            if campaign.short is None:
                continue
            with self.subTest(campaign=campaign.name):
                short = type(campaign.__name__, (campaign,), campaign.short)
                try:
                    short.setUpClass()
                    count = short.play_round(1)
                    print(f"{campaign.name}: {count}")
                    self.assertGreater(count, 0)
                except unittest.SkipTest as reason:
                    print(f"skipped: {campaign.name} ({campaign.test}): {reason}")
                finally:
                    short.doClassCleanups()


class Fake(Campaign):
    """Fails in every third round; without a program."""

    name, test, what, wanted = "fake", "F0", "rounds of nothing", 95

    @classmethod
    def setUpClass(cls):
        super(faults.FaultTest, cls).setUpClass()

    def play(self):
        (self.round_folder / "evidence").write_text("x")
        self.assertNotEqual(int(self.round_folder.name.rpartition("-")[2]) % 3, 0)
        return 7


class LedgerTest(unittest.TestCase):
    def test_rounds_add_up_over_runs(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            self.assertEqual(long.run(Fake, 2, 1, folder), "")
            self.assertEqual(long.run(Fake, 2, 3, folder), "FAILED: fake (F0): 1 of 2 rounds")
            rounds = ledger.read_rounds(folder / "ledger.jsonl")
            self.assertEqual([(entry.seed, entry.count, entry.failures) for entry in rounds], [(1, 7, 0), (2, 7, 0), (3, 0, 1), (4, 7, 0)])
            last = ledger.table(rounds, [Fake]).splitlines()[-1].split()
            self.assertEqual(last[:6], ["F0", "fake", "21", "10", "95", "1"])
            kept = folder / "failed" / "fake-3"
            self.assertEqual(sorted(path.name for path in kept.iterdir()), ["evidence", "report.txt"])
            self.assertIn("AssertionError", (kept / "report.txt").read_text())

    def test_skipped_with_its_reason(self):
        def no_root():
            raise unittest.SkipTest("needs root")

        skipped = types.SimpleNamespace(name="fake", test="F0", setUpClass=no_root, doClassCleanups=lambda: None)
        self.assertEqual(long.run(skipped, 1, 1, None), "skipped: fake (F0): needs root")


if __name__ == "__main__":
    unittest.main()
