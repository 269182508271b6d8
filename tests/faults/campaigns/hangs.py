"""F5: a rank that stops without dying, as on a dead file system: the others end with exit 86 and name it."""

import pathlib
import re
import signal

from campaign import RunCampaign, send

TIMEOUT_S = 10  # no healthy call takes that long
WATCHDOG = 86


class Hangs(RunCampaign):
    name, test, what = "hangs", "F5", "kill -STOP of a rank: named by the others, exit 86, no bit lost"
    wanted = 50
    changes = {"sharding.timeout": f"{TIMEOUT_S}s"}
    TIMES = 3

    def disturb(self, job, run, when):
        hung = self.random.choice(job.ranks())
        number = self.rank_of(hung)
        send(hung, signal.SIGSTOP)
        self.check_gone(job)
        if job.process.returncode == 0:  # it had nothing left to do
            return False
        self.assertEqual(job.process.returncode, WATCHDOG, job.report())
        self.assertIn(f"after {TIMEOUT_S} s: another rank stopped responding", job.text("err"))
        self.assertRegex(job.text("err"), rf"ranks? [\d, ]*\b{number}\b[\d, ]* on \S+ stopped responding")
        self.check_no_damage(job)
        return True

    @staticmethod
    def rank_of(process):
        environment = pathlib.Path(f"/proc/{process}/environ").read_bytes().decode(errors="replace")
        return int(re.search(r"\bOMPI_COMM_WORLD_RANK=(\d+)", environment)[1])
