"""All rows of ci/gpu.sh in turn, the most important first, each within its own time, into one JSON: date, hardware, and of each row
its outcome, seconds and figures. A row that hangs is ended with all that it started, and costs its own time alone.

    python3 tests/bench/gpu/rows.py build/cuda --json gpu.json [--mode gpu|cpu|dry] [--row NAME]...
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parents[1]
FIFTEEN_MINUTES = 900
ENDING_S = 10
ROWS = {  # name: (seconds at most, script and words); all of them within fifteen minutes
    "contracts": (90, ["contracts.py"]),
    "same_bits": (80, ["same_bits.py"]),
    "no_images": (40, ["no_images.py"]),
    "fp16_steps": (50, ["fp16_steps.py"]),
    "vit_h14": (190, ["steps.py", "--model", "vit_h14"]),
    "cait_m48": (190, ["steps.py", "--model", "cait_m48"]),
    "kernels": (80, ["kernels.py"]),
    "checkpoint": (70, ["checkpoint.py"]),
    "updates": (70, ["updates.py"]),
    "data_rate": (40, ["data_rate.py"]),
}


def hardware():
    """GPUs and their driver, processors, and what torch Python has."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    gpus = []
    with contextlib.suppress(OSError):
        gpus = subprocess.run(query, stdout=subprocess.PIPE, text=True, check=False).stdout.splitlines()
    names = [line for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    version = "import torch; print(torch.__version__)"
    torch = subprocess.run([sys.executable, "-c", version], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return {
        "gpus": gpus,
        "cpus": len(os.sched_getaffinity(0)),
        "cpu": names[0].partition(":")[2].strip() if names else "",
        "torch": torch.stdout.strip(),
    }


def end(process):
    """The whole session; what hangs in a driver cannot be ended and is left."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(ENDING_S)
    with contextlib.suppress(ProcessLookupError):  # its children may outlive it
        os.killpg(process.pid, signal.SIGKILL)


def run(words, limit_s, figures):
    """Outcome, seconds, and the figures that were told until then."""
    start = time.monotonic()
    process = subprocess.Popen([*words, "--json", str(figures)], start_new_session=True)
    try:
        status = process.wait(limit_s)
        outcome = "passed" if status == 0 else f"failed with exit status {status}"
    except subprocess.TimeoutExpired:
        outcome = f"ended after {limit_s} s"
    end(process)
    told = json.loads(figures.read_text()) if figures.exists() else {}
    return {"outcome": outcome, "seconds": round(time.monotonic() - start, 1), "limit_s": limit_s, "figures": told}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path, required=True)
    parser.add_argument("--mode", choices=("gpu", "cpu", "dry"), default="gpu")
    parser.add_argument("--row", action="append", choices=tuple(ROWS), help="only this one; may be repeated")
    parser.add_argument("--limit", type=float, help="seconds for each row instead of its own")
    arguments = parser.parse_args()
    document = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "mode": arguments.mode,
                "hardware": hardware(), "rows": {}}
    with tempfile.TemporaryDirectory(prefix="vitrail-") as folder:
        for name in arguments.row or ROWS:
            limit_s, (script, *more) = ROWS[name]
            print(f"\n== {name}", flush=True)
            words = [sys.executable, "-B", str(HERE / script), str(arguments.programs), "--mode", arguments.mode, *more]
            document["rows"][name] = run(words, arguments.limit or limit_s, pathlib.Path(folder, f"{name}.json"))
            arguments.json.write_text(json.dumps(document, indent=2) + "\n")
    print(f"\n{'row':12} {'seconds':>7}  outcome")
    for name, row in document["rows"].items():
        print(f"{name:12} {row['seconds']:7}  {row['outcome']}")
    bad = [name for name, row in document["rows"].items() if row["outcome"] != "passed"]
    sys.exit(f"failed: {', '.join(bad)}" if bad else 0)


if __name__ == "__main__":
    main()
