#!/usr/bin/env python3
"""Compiles each header of ours alone: whoever includes it needs to include nothing before it.

    check_headers.py BUILD [--torch]   with the flags of that build folder; --torch: also headers that include torch
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

import sources


def common_flags(commands):
    """Compiler and flags of all sources together, each once: a header is used from more than one folder."""
    flags, compiler = {}, None
    for arguments in commands.values():
        compiler = arguments[0]
        words = iter(arguments[1:])
        for word in words:
            if word == "-isystem":
                flags[f"-isystem{next(words)}"] = None
            elif word.startswith(("-I", "-D", "-std", "-W", "-f")) and word != "-Winvalid-pch":
                flags[word] = None
    return [compiler, *flags]


def complaint(command, header):
    """What the compiler says about the header alone, or an empty text."""
    run = subprocess.run(
        [*command, "-fsyntax-only", "-x", "c++", "-"],
        cwd=sources.ROOT, input=f'#include "{header}"\n', capture_output=True, text=True,
    )
    return "" if run.returncode == 0 else f"{header}: does not compile alone\n{run.stderr}"


def self_test():
    flags = common_flags({"a": "g++ -Ia -isystem b -o a.o -c a.cpp".split(), "b": "g++ -Ia -DX=1 b.cpp".split()})
    assert flags == ["g++", "-Ia", "-isystemb", "-DX=1"]
    assert complaint(["g++"], "/dev/null") == ""
    assert "does not compile alone" in complaint(["g++"], "ci/check_headers.py")


def main():
    if "--self-test" in sys.argv:
        return self_test()
    command = common_flags(sources.compile_commands(sys.argv[1]))
    headers = [path for path in sources.files(".hpp") if "--torch" in sys.argv or not sources.sees_torch(path)]
    with ThreadPoolExecutor(cpu_count()) as pool:
        problems = [text for text in pool.map(lambda header: complaint(command, header), headers) if text]
    return sources.report(f"check_headers ({len(headers)} headers)", problems)


if __name__ == "__main__":
    sys.exit(main())
