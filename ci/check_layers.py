#!/usr/bin/env python3
"""Who may include whom: launcher -> trainer -> {sharding, datasets, models} -> trainer/base; and inside of
trainer: run -> evaluation -> its own files -> tasks -> weights -> checkpoint -> watch, device -> settings.

Includes of our own files are written from the root ("datasets/loader/loader.hpp") and name a file that exists.
"""

import sys
from pathlib import Path

import sources

LIBRARIES = {"trainer/base", "datasets", "models", "sharding"}
SETTINGS = LIBRARIES | {"trainer/settings"}
CHECKPOINT = SETTINGS | {"trainer/watch", "trainer/device"}
WEIGHTS = CHECKPOINT | {"trainer/checkpoint"}
TASKS = WEIGHTS | {"trainer/weights"}
STEP = TASKS | {"trainer/tasks"}
EVALUATION = STEP | {"trainer"}
RUN = EVALUATION | {"trainer/evaluation"}
TRAINER = RUN | {"trainer/run"}
MAY_INCLUDE = {
    "trainer/base": set(),
    "datasets": {"trainer/base"},
    "models": {"trainer/base"},
    "sharding": {"trainer/base"},
    "trainer/settings": LIBRARIES,
    "trainer/watch": SETTINGS,
    "trainer/device": SETTINGS,
    "trainer/checkpoint": CHECKPOINT,
    "trainer/weights": WEIGHTS,
    "trainer/tasks": TASKS,
    "trainer": STEP,
    "trainer/evaluation": EVALUATION,
    "trainer/run": RUN,
    "launcher": TRAINER,
    "tests": TRAINER | {"launcher"},
}


def layer_of(path):
    folders = Path(path).parts[:-1]
    return "/".join(folders[:2]) if folders[:1] == ("trainer",) else folders[0]


def check_file(path, text, exists):
    """One line for each include of the file that is not allowed; exists tells whether we have such a file."""
    layer = layer_of(path)
    if layer not in MAY_INCLUDE:
        return [f"{path}:1: sources live in {', '.join(sources.FOLDERS)}"]
    problems = []
    for line, kind, name in sources.includes(text):
        ours = name.split("/")[0] in sources.FOLDERS
        if kind == "<":
            if ours and exists(name):
                problems.append(f'{path}:{line}: <{name}> is ours: write "{name}"')
        elif not ours:
            problems.append(f'{path}:{line}: "{name}" does not start at the root: write "<folder>/{name}"')
        elif not exists(name):
            problems.append(f'{path}:{line}: there is no "{name}"')
        elif layer_of(name) != layer and layer_of(name) not in MAY_INCLUDE[layer]:
            problems.append(f"{path}:{line}: {layer} must not include {layer_of(name)} ({name})")
    return problems


def self_test():
    def broken(path, text):
        return len(check_file(path, text, exists=lambda name: "missing" not in name))

    assert broken("launcher/main.cpp", '#include "trainer/loop.hpp"\n#include "trainer/base/error.hpp"\n') == 0
    assert broken("trainer/loop.cpp", '#include <vector>\n#include "datasets/loader/loader.hpp"\n') == 0
    assert broken("tests/unit/base/a_test.cpp", '#include "launcher/options/options.hpp"\n') == 0
    assert broken("datasets/loader.cpp", '#include "models/model.hpp"\n') == 1
    assert broken("sharding/plan.hpp", '  # include "trainer/settings/config.hpp"\n') == 1
    assert broken("trainer/base/hash.hpp", '#include "datasets/pixels/image.hpp"\n') == 1
    assert broken("trainer/loop.cpp", '#include "launcher/options/options.hpp"\n') == 1
    assert broken("trainer/loop.cpp", '#include "tests/support.hpp"\n') == 1
    assert broken("datasets/loader.cpp", '#include "image.hpp"\n') == 1
    assert broken("datasets/loader.cpp", "#include <datasets/image.hpp>\n") == 1
    assert broken("datasets/loader.cpp", '#include "datasets/missing.hpp"\n') == 1
    assert broken("helpers/a.cpp", "") == 1


def main():
    if "--self-test" in sys.argv:
        return self_test()
    problems = []
    for path in sources.files(*sources.CPP):
        problems += check_file(path, sources.read(path), exists=lambda name: (sources.ROOT / name).is_file())
    return sources.report("check_layers", problems)


if __name__ == "__main__":
    sys.exit(main())
