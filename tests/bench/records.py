"""Random reads of records of about 108 kB from the page cache: ours (CRC checked), plain pread, h5py's variable-length
elements of the same records.

    python3 tests/bench/records.py build/dev/bench_records [--rounds 5] [--folder DIR]

Needs numpy and h5py (tests/peers/README.md) and 1 GB in DIR. Each measurement is a process of its own, the sides take
turns, and the table shows medians over rounds, in microseconds a record of all threads together.
"""

import argparse
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time

SIDES = ("ours", "pread", "vlen")


def make_vlen(pack, path):
    import h5py
    import numpy

    with h5py.File(path, "w") as file:
        shards = sorted(pack.glob("shard-*.h5"))
        counts = [len(h5py.File(shard)["label"]) for shard in shards]
        records = file.create_dataset("records", (sum(counts),), h5py.vlen_dtype(numpy.uint8))
        row = 0
        for shard in shards:
            with h5py.File(shard) as source:
                offset = source["offset"][:]
                for begin, end in zip(offset[:-1], offset[1:]):
                    records[row] = source["blob"][begin:end]
                    row += 1


def read_vlen(path, threads, seconds):
    import h5py

    done = [0] * threads

    def work(thread):
        with h5py.File(path) as file:
            records = file["records"]
            order = list(range(len(records)))
            random.Random(thread).shuffle(order)
            while time.perf_counter() - begin < seconds:
                for _ in range(50):
                    records[order[done[thread] % len(order)]]
                    done[thread] += 1

    begin = time.perf_counter()
    pool = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    print(json.dumps({"seconds": (time.perf_counter() - begin) / sum(done)}))


def run(*command):
    output = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True).stdout
    return json.loads(output)["seconds"]


def compare(program, folder, rounds, seconds):
    pack, vlen = folder / "pack", folder / "vlen.h5"
    subprocess.run([program, "make", pack, "4000", "108000"], check=True)
    make_vlen(pack, vlen)
    print("threads | ours us  pread us  vlen us | ours/pread  vlen/ours")
    for threads in (1, 2):
        commands = {side: (program, side, pack, threads, seconds) for side in SIDES}
        commands["vlen"] = (sys.executable, __file__, "--vlen", vlen, threads, seconds)
        results = {side: [] for side in SIDES}
        for _ in range(rounds + 1):
            for side in SIDES:
                results[side].append(run(*commands[side]))
        us = {side: 1e6 * statistics.median(values[1:]) for side, values in results.items()}  # the first fills the cache
        print(
            f"{threads:7} | {us['ours']:7.1f}  {us['pread']:8.1f}  {us['vlen']:7.1f} | {us['ours'] / us['pread']:10.2f}"
            f"  {us['vlen'] / us['ours']:9.1f}",
            flush=True,
        )


def main():
    if sys.argv[1:2] == ["--vlen"]:
        read_vlen(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of one measurement")
    parser.add_argument("--folder", help="where the files are made; a temporary one unless given")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        compare(arguments.program, pathlib.Path(folder), arguments.rounds, arguments.seconds)


if __name__ == "__main__":
    main()
