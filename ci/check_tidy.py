#!/usr/bin/env python3
"""clang-tidy over our sources, several at once. A source that was clean is not parsed again until it, a header of
ours that it includes, its flags, .clang-tidy or the tool changes (stamps in build/tidy).

    check_tidy.py BUILD [--torch]   sources of the program in that build folder; --torch: also those that include torch,
                                    and tests
"""

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sources

STAMPS = sources.ROOT / "build" / "tidy"


def own_headers(path, seen=None):
    """The headers of ours that a source includes, directly or not."""
    seen = set() if seen is None else seen
    for _, kind, name in sources.includes(sources.read(path)):
        header = Path(name)
        if kind == '"' and header not in seen and (sources.ROOT / header).is_file():
            seen.add(header)
            own_headers(header, seen)
    return seen


def fingerprint(path, command, tool_version):
    digest = hashlib.sha256("\0".join([tool_version, sources.read(".clang-tidy"), *command]).encode())
    for part in [path, *sorted(own_headers(path))]:
        digest.update(f"\0{part}\0{sources.read(part)}".encode())
    return digest.hexdigest()


def complaint(tool, build, path, stamp):
    """What clang-tidy says about one source, or an empty text; a clean source leaves its stamp."""
    if stamp.exists():
        return ""
    run = subprocess.run([tool, "--quiet", "-p", build, str(path)], cwd=sources.ROOT, capture_output=True, text=True)
    if run.returncode == 0:
        stamp.touch()
        return ""
    return run.stdout or run.stderr


def is_quick(path):
    """Of the program, and parsed in seconds."""
    return path.parts[0] != "tests" and not sources.sees_torch(path)


def self_test():
    example = Path("ci/check_tidy.py")
    assert fingerprint(example, ["g++"], "14") == fingerprint(example, ["g++"], "14")
    assert fingerprint(example, ["g++"], "14") != fingerprint(example, ["g++", "-O2"], "14")
    assert fingerprint(example, ["g++"], "14") != fingerprint(example, ["g++"], "15")
    loud = complaint("false", ".", example, STAMPS / "no stamp")
    assert loud == "" or not (STAMPS / "no stamp").exists()


def main():
    if "--self-test" in sys.argv:
        return self_test()
    build, tool = sys.argv[1], os.environ.get("CLANG_TIDY", "clang-tidy")
    version = subprocess.run([tool, "--version"], check=True, capture_output=True, text=True).stdout
    commands = {
        path: command
        for path, command in sources.compile_commands(build).items()
        if "--torch" in sys.argv or is_quick(path)
    }
    STAMPS.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(
            lambda path: complaint(tool, build, path, STAMPS / fingerprint(path, commands[path], version)), commands
        )
        problems = [text for text in results if text]
    return sources.report(f"check_tidy ({len(commands)} sources)", problems)


if __name__ == "__main__":
    sys.exit(main())
