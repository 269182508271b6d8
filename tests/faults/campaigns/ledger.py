"""What campaigns reached, over several runs: a file of one JSON line a round, and the table that adds them up."""

import dataclasses
import json
import os
import pathlib


@dataclasses.dataclass
class Round:
    campaign: str
    seed: int
    count: int  # faults survived, or whatever the campaign counts
    failures: int
    seconds: float
    date: str  # UTC
    machine: str

    def append_to(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(dataclasses.asdict(self)) + "\n")


def read_rounds(path):
    if not path.exists():
        return []
    return [Round(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def machine():
    """Processor and cores; no name that only its owner knows."""
    words = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    models = [line.partition(":")[2].strip() for line in words.splitlines() if line.startswith("model name")]
    return f"{models[0] if models else 'unknown processor'}, {os.cpu_count()} cores"


def table(rounds, campaigns):
    """One line a campaign; `campaigns` have name, test, what and wanted, the long count."""
    lines = [f"{'test':9}{'campaign':12}{'counted':>8}{'tenth':>7}{'long':>7}{'failures':>10}{'minutes':>9}  counts"]
    for campaign in campaigns:
        mine = [entry for entry in rounds if entry.campaign == campaign.name]
        count, failures = sum(entry.count for entry in mine), sum(entry.failures for entry in mine)
        minutes = sum(entry.seconds for entry in mine) / 60
        tenth = -(-campaign.wanted // 10)
        lines.append(f"{campaign.test:9}{campaign.name:12}{count:8}{tenth:7}{campaign.wanted:7}{failures:10}{minutes:9.1f}  {campaign.what}")
    return "\n".join(lines)
