#!/usr/bin/env python3
"""What the CUDA compiler says of GPU kernels, for sm_80 and sm_90: none spills registers to memory but where a table says why, and
as many blocks fit a multiprocessor as another one says. Compiles each .cu file of a build of the cuda preset once more.

    ci/check_kernels.py build/cuda [FILE...]
"""

import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

ARCHITECTURES = {80: 163 << 10, 90: 227 << 10}  # bytes of shared memory of a multiprocessor that blocks share
REGISTERS, RESERVED = 65536, 1 << 10  # of a multiprocessor; of each block's shared memory
# Kernels whose blocks are large: threads of one, how many a multiprocessor must hold at least, and why not two.
BLOCKS = {
    "fused_forward_kernel": (256, 2, ""),
    "fused_queries_kernel": (256, 1, "sums for a head's queries and for both mixings stay in 80 registers: 8 warps of one block"),
    "fused_keys_kernel": (256, 1, "sums for a head's keys and values stay in 96 registers: 8 warps of one block"),
}
SPILLS = {"forward_kernel": 8}  # bytes at most: one register, of fp32 with 8 heads on sm_90; maps in memory cost more
ENTRY = re.compile(
    r"Compiling entry function '(\S+)' for 'sm_(\d+)'.*?(\d+) bytes spill stores, (\d+) bytes spill loads.*?"
    r"Used (\d+) registers([^\n]*)", re.DOTALL)


def kernel_of(mangled):
    """The name of a kernel in our unnamed namespaces."""
    found = re.search(r"\d+([a-z][a-z_]*_kernel)", mangled)
    return found[1] if found else mangled


def blocks_of(threads, registers, shared, architecture):
    """By the two that run out first: registers are given to warps by 256."""
    of_warp = (32 * registers + 255) // 256 * 256
    return min(REGISTERS // (of_warp * threads // 32), ARCHITECTURES[architecture] // (shared + RESERVED))


def problems_of(text):
    """(complaints, kernels seen) in what ptxas says."""
    complaints, seen = [], set()
    for mangled, architecture, stores, loads, registers, rest in ENTRY.findall(text):
        name, architecture = kernel_of(mangled), int(architecture)
        seen.add(name)
        where = f"{name} ({mangled}) on sm_{architecture}"
        if max(int(stores), int(loads)) > SPILLS.get(name, 0):
            complaints.append(f"{where} spills {stores} bytes and loads {loads}")
        if name in BLOCKS:
            threads, least, _ = BLOCKS[name]
            shared = re.search(r"(\d+) bytes smem", rest)
            fit = blocks_of(threads, int(registers), int(shared[1]) if shared else 0, architecture)
            if fit < least:
                complaints.append(f"{where}: {fit} blocks of {threads} threads with {registers} registers fit, at least {least} have to")
    return complaints, seen


def said_by_compiler(entry):
    """ptxas's words for one file of compile_commands.json."""
    words = shlex.split(entry["command"])
    if "/ccache" in words[0] or words[0].endswith("ccache"):
        words = words[1:]
    kept, skip = [], False
    for word in words:
        if skip or word.startswith("--generate-code"):
            skip = False
            continue
        if word in ("-o", "-MF", "-MT"):
            skip = True
            continue
        if word not in ("-MD", "-c", entry["file"]):
            kept.append(word)
    codes = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in ARCHITECTURES]
    command = [*kept, *codes, "-Xptxas=-v", "-c", entry["file"], "-o", os.devnull]
    done = subprocess.run(command, cwd=entry["directory"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stdout}")
    return done.stdout


def self_test():
    def said(spilled, registers, smem, name="fused_forward_kernel"):
        return (f"ptxas info    : Compiling entry function '_ZN7vitrail20{name}I6__halfLi3EEvNS' for 'sm_80'\n"
                f"ptxas info    : Function properties for x\n    0 bytes stack frame, {spilled} bytes spill stores, 0 bytes spill loads\n"
                f"ptxas info    : Used {registers} registers, used 1 barriers, {smem} bytes smem, 500 bytes cmem[0]\n")
    assert problems_of(said(0, 128, 32768)) == ([], {"fused_forward_kernel"})
    assert len(problems_of(said(8, 128, 32768))[0]) == 1
    assert len(problems_of(said(0, 129, 32768))[0]) == 1  # a register more, and one block fits
    assert len(problems_of(said(0, 128, 90000))[0]) == 1
    assert len(problems_of(said(0, 255, 49152, "other_kernel") + said(4, 9, 0, "third_kernel"))[0]) == 1


def main():
    self_test()
    folder, only = pathlib.Path(sys.argv[1]), sys.argv[2:]
    entries = [entry for entry in json.loads((folder / "compile_commands.json").read_text())
               if entry["file"].endswith(".cu") and (not only or any(entry["file"].endswith(name) for name in only))]
    if not entries:
        sys.exit(f"{folder} compiles no .cu file: configure the cuda preset")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [problems_of(text) for text in pool.map(said_by_compiler, entries)]
    complaints = [complaint for some, _ in found for complaint in some]
    seen = set().union(*(names for _, names in found))
    if not only and (missing := sorted(BLOCKS.keys() - seen)):
        complaints.append(f"no kernel is named {', '.join(missing)}: mend the table")
    print("\n".join(complaints) or f"check_kernels: {len(seen)} kernels without spills")
    sys.exit(bool(complaints))


if __name__ == "__main__":
    main()
