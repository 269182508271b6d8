"""F1: kill -9 from outside at random moments, again and again in one run, on a changing number of ranks."""

from campaign import KILL, RunCampaign, send

WHOM = ("rank", "rank", "rank", "all", "launch")


class Kills(RunCampaign):
    name, test, what = "kills", "F1", "kill -9 of a rank, of all or of the launcher: no bit lost"
    wanted = 1000
    TIMES = 10
    FEWEST_RANKS = 1
    MOMENTS = ("start", "step", "step", "step", "save")

    def disturb(self, job, run, when):
        self.kill(job, self.random.choice(WHOM))
        self.check_gone(job)
        self.check_no_damage(job)
        return job.process.returncode != 0

    def kill(self, job, whom):
        ranks = job.ranks()
        if whom == "all":
            job.kill()
        elif whom == "rank" and ranks:
            send(self.random.choice(ranks), KILL)
        else:
            send(job.process.pid, KILL)
