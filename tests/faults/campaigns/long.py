#!/usr/bin/env python3
"""Faults by the hundred: runs campaigns, notes each round in build/faults/ledger.jsonl, and prints what all runs reached.

  python3 tests/faults/campaigns/long.py                         the table
  python3 tests/faults/campaigns/long.py all|CAMPAIGN... [--rounds N] [--seed N]

A failed round leaves its folder and report below build/faults/failed; its seed repeats it: CAMPAIGN --seed SEED.
"""

import argparse
import datetime
import os
import pathlib
import shutil
import signal
import sys
import time
import traceback
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path += [str(ROOT / "tests" / folder) for folder in ("runs", "slurm", "faults")]
import arrays
import clocks
import disks
import hangs
import kills
import ledger
import mutations
import node_losses
import points
import races
import signals
import soak
import values

FOLDER = ROOT / "build" / "faults"
CAMPAIGNS = (
    kills.Kills, points.KillPoints, signals.Signals, signals.Grace, node_losses.NodeLosses, hangs.Hangs, points.HangPoints,
    points.Slowness, disks.Calls, disks.FullDisk, mutations.Mutations, mutations.Fuzzing, values.NotNumbers, values.FlippedBits,
    races.Races, arrays.Arrays, clocks.Clocks, soak.Soak,
)


def keep_failure(campaign, seed, report, folder):
    """Where the folder of that round and its report are now."""
    place = folder / "failed" / f"{campaign.name}-{seed}"
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(campaign.round_folder, place)
    (place / "report.txt").write_text(report, encoding="utf-8")
    return place


def play(campaign, seed, folder):
    """One round, noted; whether it went well."""
    began = time.monotonic()
    count = failures = 0
    try:
        count = campaign.play_round(seed)
    except AssertionError:
        failures = 1
        report = traceback.format_exc()
        print(f"{campaign.name}: FAILED at --seed {seed}\n{report}\nkept: {keep_failure(campaign, seed, report, folder)}")
    seconds = round(time.monotonic() - began, 1)
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M")
    ledger.Round(campaign.name, seed, count, failures, seconds, date, ledger.machine()).append_to(folder / "ledger.jsonl")
    if not failures:
        print(f"{campaign.name}: seed {seed}: {count} in {seconds} s", flush=True)
    return not failures


def run(campaign, rounds, seed, folder):
    """All rounds; why it was skipped, or how many failed. Ledger and failures: below the folder."""
    try:
        campaign.setUpClass()
    except unittest.SkipTest as reason:
        campaign.doClassCleanups()
        return f"skipped: {campaign.name} ({campaign.test}): {reason}"
    try:
        failed = sum(not play(campaign, seed + number, folder) for number in range(rounds))
    finally:
        campaign.doClassCleanups()
    return f"FAILED: {campaign.name} ({campaign.test}): {failed} of {rounds} rounds" if failed else ""


def main():
    parser = argparse.ArgumentParser(description="faults by the hundred", allow_abbrev=False)
    names = {campaign.name: campaign for campaign in CAMPAIGNS}
    parser.add_argument("campaigns", nargs="*", metavar="CAMPAIGN", help=f"all, or of {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, help="of the first round; else another one each time")
    words = parser.parse_args()
    wanted = list(names) if words.campaigns == ["all"] else words.campaigns
    if unknown := set(wanted) - set(names):
        parser.error(f"no campaign {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that clusters come down
    seed = words.seed if words.seed is not None else int.from_bytes(os.urandom(3), "little")
    said = [run(names[name], words.rounds, seed, FOLDER) for name in wanted]
    print("\n" + ledger.table(ledger.read_rounds(FOLDER / "ledger.jsonl"), CAMPAIGNS))
    for line in filter(None, said):
        print(line)
    sys.exit(any(line.startswith("FAILED") for line in said))


if __name__ == "__main__":
    main()
