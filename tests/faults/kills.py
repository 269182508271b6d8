"""F1: kill -9 from outside at random moments, again and again in one run, on a changing number of ranks."""

from campaign import KILL, RunCampaign, send

MOMENTS = ("start", "step", "step", "step", "save")
WHOM = ("rank", "rank", "rank", "all", "launch")


class Kills(RunCampaign):
    name, test, what = "kills", "F1", "kill -9 of a rank, of all or of the launcher: no bit lost"
    wanted = 1000
    KILLS = 10  # in one run

    def play(self):
        run = self.round_folder / "run"
        kills = 0
        while kills < self.KILLS:
            ranks = self.random.randint(1, 4)
            job = self.start(*self.command(run, ranks))
            when, whom = self.random.choice(MOMENTS), self.random.choice(WHOM)
            if not self.reach(job, run, when):
                job.finish()  # the run's end
                break
            self.kill(job, whom)
            self.check_gone(job)
            self.check_no_damage(job)
            kills += job.process.returncode != 0
        self.finish_run(run, self.random.randint(1, 4))
        return kills

    def kill(self, job, whom):
        ranks = job.ranks()
        if whom == "all":
            job.kill()
        elif whom == "rank" and ranks:
            send(self.random.choice(ranks), KILL)
        else:
            send(job.process.pid, KILL)
