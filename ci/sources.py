"""What the checks of this folder share: which files are ours, what they include, how the compiler is called."""

import functools
import json
import re
import shlex
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("launcher", "trainer", "sharding", "datasets", "models", "tests")
CPP = (".cpp", ".hpp", ".cu", ".cuh")

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
_TORCH = re.compile(r"(torch|ATen|c10)/")
# String literals go first, so that the // in "http://" starts no comment.
_TOKEN = re.compile(
    r'R"(?P<delimiter>[^\s()\\]*)\(.*?\)(?P=delimiter)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'"
    r"|//[^\n]*|/\*.*?\*/",
    re.S,
)


def files(*suffixes):
    """Paths, relative to the root, of all files that are in git or would be taken by `git add`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split("\0")
    present = (Path(name) for name in sorted(set(listed)) if name and (ROOT / name).is_file())
    return [path for path in present if not suffixes or path.suffix in suffixes]


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def includes(text):
    """(line, kind, name) of each include; kind is '<' or '"'."""
    return [(text.count("\n", 0, match.start()) + 1, match[1], match[2]) for match in _INCLUDE.finditer(text)]


def code_only(text):
    """The text without comments and the insides of literals, with every line where it was."""

    def blank(match):
        token = match[0]
        kept = '""' if token[0] in "\"R" else "' '" if token[0] == "'" else ""
        return kept + "\n" * token.count("\n")

    return _TOKEN.sub(blank, text)


@functools.cache
def sees_torch(path):
    """Whether the file includes LibTorch, itself or through a header of ours."""
    for _, kind, name in includes(read(path)):
        if kind == "<" and _TORCH.match(name):
            return True
        if kind == '"' and (ROOT / name).is_file() and sees_torch(Path(name)):
            return True
    return False


def compile_commands(build):
    """{path relative to the root: argument list} for our sources in a build folder."""
    commands = {}
    for entry in json.loads((Path(build) / "compile_commands.json").read_text()):
        path = Path(entry["directory"], entry["file"]).resolve()
        if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in FOLDERS:
            commands[path.relative_to(ROOT)] = shlex.split(entry["command"])
    return commands


def report(check, problems):
    """Prints one line a problem; returns the exit code."""
    for problem in problems:
        print(problem)
    print(f"{check}: {len(problems)} problems" if problems else f"{check}: clean")
    return 1 if problems else 0
