"""Our kernels, the streams and memory of a GPU, and the communicators do what their tests say.

    python3 tests/bench/gpu/contracts.py build/cuda [--json FILE]
"""

import os
import subprocess
import sys

import row as rows

KERNELS = ("unit_sharding_cuda", "unit_models_cuda")


def main():
    row = rows.Row(__doc__)
    row.starts(*KERNELS, "mpi_contract")
    environment = os.environ | {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    commands = {name: [row.program(name), "--gtest_brief=1"] for name in KERNELS if row.on_gpu}
    for ranks in (1, 2, 4):  # without GPUs, too: MPI's communicators alone
        mpirun = ["mpirun", "-n", str(ranks), "--oversubscribe", "--bind-to", "none"]
        commands[f"mpi_contract at {ranks}"] = [*mpirun, row.program("mpi_contract"), f"--world={ranks}"]
    for name, words in commands.items():
        row.tell(**{name: subprocess.run(words, env=environment, check=False).returncode == 0})
    if not all(row.figures.values()):
        sys.exit("not all contracts hold")


if __name__ == "__main__":
    main()
