#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""CPU models as management tools ask for them, of both architectures."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import rhea                                             # noqa: E402
import tap                                              # noqa: E402

suite = tap.Suite()
FOLDER = os.path.dirname(rhea.emulator())


def ask(architecture, *questions):
    """Answers of a machine that has nothing."""
    path = os.path.join(FOLDER, f"rhea-system-{architecture}")
    if not os.path.exists(path):
        raise tap.Skip(f"{path} is not built")
    os.environ["RHEA_EMULATOR"] = path
    with rhea.Machine("-M", "none", "-S", "-nodefaults", qmp=True) as m, m.qmp() as q:
        answers = [question(q) for question in questions]
        q.command("quit")
        assert m.wait(20) == 0
        assert not m.errors(), m.errors()
        return answers


def expand(name, kind="full", **props):
    return lambda q: q.command("query-cpu-model-expansion", type=kind, model={"name": name, "props": props})["model"]


def refuse(text, name, kind="full", **props):
    def question(q):
        try:
            expand(name, kind, **props)(q)
        except AssertionError as e:
            assert text in str(e), e
            return
        raise RuntimeError(f"{name} {props} was accepted")
    return question


@suite.test
def expansion_of_x86_models():
    haswell, less, static, everything = ask(
        "x86_64", expand("Haswell"), expand("Haswell", **{"avx2": False, "family": 7, "model-id": "mine"}),
        expand("max", "static"), expand("max"))
    assert haswell["name"] == "Haswell" and static["name"] == "base"
    props = haswell["props"]
    assert props["avx2"] is True and props["sse4.2"] is True and props["sha-ni"] is False
    assert props["rtm"] is False, "it is Haswell's, but not modelled"
    assert (props["vendor"], props["family"], props["model"]) == ("GenuineIntel", 6, 60)
    assert less["props"]["avx2"] is False and less["props"]["bmi2"] is True
    assert less["props"]["family"] == 7 and less["props"]["model-id"] == "mine"
    assert static["props"] == everything["props"]
    assert all(isinstance(v, (bool, int, str)) for v in props.values())


@suite.test
def x86_models_say_what_they_lack():
    (models,) = ask("x86_64", lambda q: {c["name"]: c for c in q.command("query-cpu-definitions")})
    assert models["qemu64"]["unavailable-features"] == []
    assert set(models["Haswell"]["unavailable-features"]) == {"hle", "rtm"}
    assert "avx512f" in models["Skylake-Server"]["unavailable-features"]
    assert models["base"]["static"] is True and models["max"]["static"] is False


@suite.test
def wrong_questions():
    ask("x86_64", refuse("unknown CPU model 'Hazwell'", "Hazwell"), refuse("property 'avx3' is not known", "Haswell", avx3=True),
        refuse("expected: a scalar", "Haswell", avx2=[1]))
    ask("riscv64", refuse("'type' must be 'full'", "rv64", "static"))


@suite.test
def expansion_of_riscv_models():
    rv64, less = ask("riscv64", expand("rv64"), expand("rv64", c=False, sv57=False))
    assert rv64["props"]["sv39"] is True and rv64["props"]["c"] is True
    assert less["props"]["c"] is False and less["props"]["sv57"] is False and less["props"]["sv48"] is True


if __name__ == "__main__":
    sys.exit(suite.run())
