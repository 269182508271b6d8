"""F4: a node loses power; a node loses its cable, while its ranks go on and write where the job's next attempt does."""

from job_campaign import JobCampaign


class NodeLosses(JobCampaign):
    name, test, what = "nodes", "F4", "node crashed, node cut off and back: requeued, old ranks fenced, same bits"
    wanted = 20

    def play(self):
        self.crash_one()
        self.cut_one()
        return 2

    def crash_one(self):
        """One of two nodes, that of the script or the other."""
        run = self.round_folder / "crashed"
        job, log = self.submit(run, "--nodes=2", "--ntasks-per-node=1")
        self.wait_for_first_save(run, log)
        lost = self.random.choice(self.nodes_of(job)[1])
        self.node("crash", lost)
        self.wait_for_restart(job, run, log, 0)
        self.assertNotIn(lost, self.nodes_of(job)[1])
        self.stop(job, run, log)
        self.node("boot", lost)
        last = self.check_as_undisturbed(run)
        print(f"{lost} crashed: {last} steps as undisturbed")

    def cut_one(self):
        """The only node of the job: its two ranks need no network to go on, and see the same files."""
        run = self.round_folder / "cut"
        job, log = self.submit(run, "--nodes=1", "--ntasks-per-node=2")
        self.wait_for_first_save(run, log)
        lost = self.nodes_of(job)[0]
        old = self.ranks_of(run)
        self.assertEqual(len(old), 2)
        self.node("cut", lost)
        self.wait_for(lambda: self.restarts(job) == 1 and len(set(self.ranks_of(run)) - set(old)) == 2, "second attempt", log)
        overlap = set(old) & set(self.ranks_of(run))
        self.wait_for(lambda: not set(old) & set(self.ranks_of(run)), "end of the fenced ranks", log)
        self.node("join", lost)
        self.wait_for_steps(run, log)
        self.stop(job, run, log)
        text = log.read_text()
        self.assertEqual(len(overlap), 2, f"the old ranks were not there any more: {text}")
        self.assertIn("was taken over by job", text)
        last = self.check_as_undisturbed(run)
        print(f"{lost} cut off, 2 ranks fenced: {last} steps as undisturbed")
