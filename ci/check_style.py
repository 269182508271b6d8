#!/usr/bin/env python3
"""House rules that no compiler knows: sizes, opening words of headers, what may be called where,
what a configuration records, what lies at the top of the repository."""

import collections
import re
import sys
from pathlib import Path

import sources

MAX_LINES = {".cpp": 400, ".cu": 400, ".hpp": 200, ".cuh": 200}
MAX_FILES = 25  # of a folder with sources: beyond that its rooms need names
MAX_LINES_OF = {"trainer/train_step.cpp": 299}
TOP = {
    "CMakeLists.txt", "CMakePresets.json", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE",
    "launcher", "trainer", "sharding", "datasets", "models", "slurm", "configs", "tests", "ci",
}  # and names that begin with a dot

# (what code matches, where it is allowed, what to tell): where is a pattern of paths.
CALLS = (
    (r"\b(MPI_[A-Z]\w*|nccl[A-Z]\w*|H5[A-Z]{1,2}[a-z_]\w*)\s*\(", r"_handles\.(hpp|cpp)$",
     "is called only in *_handles.*, where each call is checked and each handle owned"),
    (r"\b((?:secure_)?getenv|setenv|putenv|unsetenv|environ)\b", r"^launcher/ranks/environment\.cpp$|^tests/",
     "is used only in launcher/ranks/environment.cpp"),
    (r"(std::s?rand\b|(?<![\w:.>])s?rand(?=\s*\()|\brandom_device\b)", r"^$",
     "has a state of its own: use trainer/base/philox.hpp"),
    (r"\b(name\.(?:starts_with|ends_with|find|rfind|substr|contains))\b",
     r"^(datasets|tests|launcher/(?:cli|commands|options|ranks|sweep)|trainer/(base|checkpoint|settings)|models/weights)/|^models/families/(catalogue|model_names)",
     "takes a fact from a name: let the family declare it (models/declaration.hpp)"),
    (r"(<<<)", r"^$", "is written launch(...) (trainer/base/launch.cuh), so that tests can run the kernel as C++"),
    (r"\bstatic\b[^;(){}=]*\b(\w*[iI]nstance\w*)\b", r"^$", "looks like a singleton: pass the object in"),
)
INCLUDES = (
    (r"(mpi|nccl|hdf5|H5\w*)\.h", r"_handles\.(hpp|cpp)$", "is included only in *_handles.*"),
    (r"boost/program_options.*", r"^launcher/options/\w+\.cpp$", "is included only in launcher/options/*.cpp"),
)
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
# Homes, scratch folders of one person, work folders of one machine: nobody else has them.
MACHINE_PATH = re.compile(r"(?<![\w.$}~-])/(?:root|work|home|Users)/\w+")
TEXT = {".cpp", ".hpp", ".cu", ".cuh", ".py", ".sh", ".cmake", ".txt", ".md", ".cfg", ".json", ".yml", ""}
CONFIG_HEADER = ("Source", "Command", "Hardware", "Expected")  # a figure, or that it has not been run yet
CHECKERS = {"ci/check_style.py"}  # names what it forbids


def header_opening(text):
    """What is wrong with the lines before #pragma once, or None."""
    lines = text.split("\n")
    if "#pragma once" not in lines:
        return "has no #pragma once"
    before = [line for line in lines[: lines.index("#pragma once")] if line]
    if not 1 <= len(before) <= 5 or not all(line.startswith("// ") for line in before):
        return "opens with 1 to 5 comment lines that say what it is, then #pragma once"
    return None


def check_cpp(path, text):
    problems = []
    count, limit = text.count("\n"), MAX_LINES_OF.get(str(path), MAX_LINES[path.suffix])
    if count > limit:
        problems.append(f"{path}:{limit + 1}: {count} lines, {limit} are allowed: split it by what it does")
    if path.suffix in (".hpp", ".cuh") and (complaint := header_opening(text)):
        problems.append(f"{path}:1: {complaint}")
    code = sources.code_only(text)
    for pattern, where, what in CALLS:
        if not re.search(where, str(path)):
            for match in re.finditer(pattern, code):
                problems.append(f"{path}:{code.count(chr(10), 0, match.start()) + 1}: {match[1]} {what}")
    for line, _, name in sources.includes(text):
        for pattern, where, what in INCLUDES:
            if re.fullmatch(pattern, name) and not re.search(where, str(path)):
                problems.append(f"{path}:{line}: <{name}> {what}")
    return problems


def check_text(path, text):
    problems = []
    for number, line in enumerate(text.split("\n"), 1):
        if match := UNFINISHED.search(line):
            problems.append(f"{path}:{number}: {match[1]}: finish it, or open an issue")
        if match := MACHINE_PATH.search(line):
            problems.append(f"{path}:{number}: {match[0]}... exists on one machine only")
    return problems


def check_config(path, text):
    """A configuration is the record of an experiment: where it comes from, how it is run, what comes out."""
    comments = re.match(r"(?:#.*\n)*", text)[0]
    absent = [label for label in CONFIG_HEADER if not re.search(rf"^# {label}: +\S", comments, re.M)]
    return [f"{path}:1: opens without {', '.join(f'# {label}:' for label in absent)}"] if absent else []


def check_top(paths):
    tops = {path.parts[0] for path in paths}
    return [f"{name}: the top level is fixed (ci/check_style.py)" for name in sorted(tops - TOP) if name[0] != "."]


def check_folders(paths):
    """Records and data may lie side by side by the hundred; what is read as a program may not."""
    programs = {path.parent for path in paths if path.suffix in {".cpp", ".hpp", ".cu", ".py", ".sh"}}
    counts = collections.Counter(path.parent for path in paths if path.parent in programs)
    return [f"{folder}: {count} files, {MAX_FILES} are allowed: give its rooms names"
            for folder, count in sorted(counts.items()) if count > MAX_FILES]


def self_test():
    def cpp(text, path="datasets/a.cpp"):
        return len(check_cpp(Path(path), text))

    opening = "// What it is.\n#pragma once\n"
    assert cpp("int x;\n" * 400) == 0 and cpp("int x;\n" * 401) == 1
    assert cpp("int x;\n" * 300, "trainer/train_step.cpp") == 1
    assert cpp(opening, "a.hpp") == 0 and cpp(opening + "int x;\n" * 199, "a.hpp") == 1
    assert cpp("#pragma once\n", "a.hpp") == 1 and cpp("// a\n" * 6 + "#pragma once\n", "a.hpp") == 1
    assert cpp("// a\n#ifndef A\n#pragma once\n", "a.hpp") == 1 and cpp("// a\n", "a.hpp") == 1
    assert cpp("MPI_Send(x);") == 1 and cpp("H5Fopen (x);") == 1 and cpp("ncclGroupStart();") == 1
    assert cpp("MPI_Send(x);", "sharding/comm/mpi_handles.cpp") == 0
    assert cpp('// MPI_Send(x)\nf("H5Fopen(", \'"\'); /* getenv */ g(R"x(getenv)x");') == 0
    assert cpp("auto x = 1'000; std::getenv(a);  // ' '") == 1
    assert cpp("getenv(a);", "launcher/ranks/environment.cpp") == 0
    assert cpp("int x = std::rand();") == 1 and cpp("srand(1);") == 1 and cpp("std::random_device d;") == 1
    assert cpp("f<T><<<1, 2>>>(x);", "models/a.cu") == 1
    assert cpp("torch::rand({2}); x.rand(1); operand(1);") == 0
    assert cpp("spec.name.starts_with(a);", "trainer/a.cpp") == 1 and cpp("name.find(a);", "models/weights/a.cpp") == 0
    assert cpp("static Foo& get_instance();") == 1 and cpp("static int count_of(Foo instance);") == 0
    assert cpp("#include <mpi.h>\n") == 1 and cpp("#include <mpi.h>\n", "sharding/comm/mpi_handles.hpp") == 1  # opening
    assert cpp("#include <boost/program_options.hpp>\n") == 1
    assert len(check_text(Path("a.md"), "a TODO\nand /home/me/x\n")) == 2
    assert not check_text(Path("a.md"), "todo, $SCRATCH/work/x and https://a.org/home/x\n")
    header = "# a\n# Source: x\n# Command: x\n# Hardware: x\n# Expected: not yet run\n"
    assert not check_config("a.cfg", header + "[run]\n")
    assert check_config("a.cfg", header.replace("x\n# Hardware:", "\n# Hardware:")) != []
    assert check_config("a.cfg", "[run]\n" + header) != []
    assert check_top([Path("helpers/a.cpp"), Path(".gitignore"), Path("ci/x")]) != []
    assert check_folders([Path(f"a/{i}.cpp") for i in range(26)]) != []
    assert check_folders([Path(f"a/{i}.cpp") for i in range(25)] + [Path(f"b/{i}.cfg") for i in range(99)]) == []
    assert check_top([Path(".gitignore"), Path("ci/x"), Path("README.md")]) == []


def main():
    if "--self-test" in sys.argv:
        return self_test()
    paths = sources.files()
    problems = check_top(paths) + check_folders(paths)
    for path in paths:
        if path.suffix in TEXT and str(path) not in CHECKERS | {"LICENSE"}:
            problems += check_text(path, sources.read(path))
        if path.suffix == ".cfg" and path.parts[0] == "configs":
            problems += check_config(path, sources.read(path))
        if path.suffix in MAX_LINES:
            problems += check_cpp(path, sources.read(path))
    return sources.report("check_style", problems)


if __name__ == "__main__":
    sys.exit(main())
