# SPDX-License-Identifier: MIT
"""The checkers find planted violations: a checker that finds nothing would pass any tree."""
import pathlib
import subprocess
import sys

import pytest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
SPDX = "/* SPDX-License-Identifier: MIT */\n"


def run(checker, root):
    done = subprocess.run([sys.executable, SCRIPTS / checker, root], capture_output=True, text=True)
    return done.returncode, done.stdout


def plant(root, path, text):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(SPDX + text)


@pytest.mark.parametrize("path, text, expected", [
    ("src/base/a.c", '#include "os/thread.h"\n', 'base may not include "os/thread.h"'),
    ("src/gpu/a.c", '#include "venus/ring.h"\n', 'gpu may not include "venus/ring.h"'),
    ("src/display/a.c", '#include "gpu/device.h"\n', 'display may not include "gpu/device.h"'),
    ("hosts/vtest/a.c", '#include "hosts/vhost-user/a.h"\n', "hosts/vtest may not include"),
    ("hosts/vtest/b.c", '#include "vhost-user/a.h"\n', "hosts/vtest may not include"),
    ("src/venus/a.c", '#include "tests/support/fake.h"\n', "venus may not include"),
    ("src/venus/a.c", '#include "ring.h"\n', '"ring.h" does not name its folder'),
    ("src/gpu/a.c", "#include <vulkan/vulkan.h>\n", "<vulkan/vulkan.h> is not for gpu"),
    ("src/venus/a.c", "#  include <sys/mman.h>\n", "<sys/mman.h> is not for venus"),
    ("src/os/a.c", "#include <threads.h>\n", "<threads.h> is not for os"),
    ("src/surprise/a.c", "\n", "folder 'surprise' is not in"),
])
def test_layers_finds_planted_violation(tmp_path, path, text, expected):
    (tmp_path / "hosts/vhost-user").mkdir(parents=True)
    plant(tmp_path, path, text)
    status, output = run("check-layers", tmp_path)
    assert status == 1
    assert expected in output
    assert len(output.splitlines()) == 1


@pytest.mark.parametrize("path, text", [
    ("src/display/a.c", '#include "gpu/sink.h"\n'),
    ("src/venus/a.c", '#include "venus_wire/buffer.h"\n#include <vulkan/vulkan.h>\n'),
    ("src/os/a.c", "#include <sys/mman.h>\n"),
    ("hosts/vtest/a.c", '#include "vtest/b.h"\n#include "pearvisor/device.h"\n#include "gpu/sink.h"\n'),
    ("tests/unit/a.c", '#include "venus/ring.h"\n#include "hosts/vtest/server.h"\n'),
])
def test_layers_accepts(tmp_path, path, text):
    plant(tmp_path, path, text)
    assert run("check-layers", tmp_path) == (0, "")


@pytest.mark.parametrize("path, text, expected", [
    ("src/venus/a.c", "void f(void)\n{\n    abort();\n}\n", "a.c:4: abort()"),
    ("src/venus/a.c", "void f(int x)\n{\n    assert(x);\n}\n", "assert()"),
    ("src/gpu/a.c", "void f(void)\n{\n    _exit (1);\n}\n", "_exit()"),
    ("src/gpu/a.h", "typedef struct pv_gpu_a { int b; } pv_gpu_a;\n", "typedef of a struct"),
    ("src/gpu/a.h", "int pv_venus_a_get(void);\n", "pv_venus_a_get is not pv_gpu_..."),
    ("src/gpu/a.h", "\nint pv_gpu_a_get(void);\n", "pv_gpu_a_get has no comment"),
    ("cli/a.h", "/* One. */\nint pv_cli_a(void);\n\nconst char *pv_cli_b(int c,\n"
     "                     int d);\n", "a.h:5: pv_cli_b has no comment"),
    ("hosts/vtest/a.h", "/* One. */\nint pv_vtest_a(void)\n{\n    return 0;\n}\n\nPV_NODISCARD static inline "
     "struct x *pv_vtest_b(void)\n{\n}\n", "a.h:8: pv_vtest_b has no comment"),
])
def test_names_finds_planted_violation(tmp_path, path, text, expected):
    plant(tmp_path, path, text)
    status, output = run("check-names", tmp_path)
    assert status == 1
    assert expected in output


def test_names_finds_long_file(tmp_path):
    plant(tmp_path, "src/gpu/a.c", "\n" * 999)
    assert run("check-names", tmp_path) == (0, "")
    plant(tmp_path, "src/gpu/a.c", "\n" * 1000)
    assert "1001 lines, more than 1000" in run("check-names", tmp_path)[1]


def test_names_finds_missing_spdx_line(tmp_path):
    (tmp_path / "src/gpu").mkdir(parents=True)
    (tmp_path / "src/gpu/a.c").write_text("int pv_gpu_a;\n")
    assert "no SPDX line" in run("check-names", tmp_path)[1]


def test_names_accepts(tmp_path):
    plant(tmp_path, "src/gpu/a.h", "/* never abort() */\nint pv_gpu_a_get(void);\n"
          "struct pv_gpu_ops {\n    int (*open)(void);\n};\n"
          "/* Two. */\nstatic inline int pv_gpu_b(void)\n{\n    return 0;\n}\n")
    plant(tmp_path, "hosts/vtest/a.h", "/*\n * These.\n */\nPV_NODISCARD bool *pv_vtest_a(int a,\n"
          "                              int b);\nvoid pv_vtest_b(void);\n")
    plant(tmp_path, "src/os/a.c", "static void f(void)\n{\n    _exit(127);\n}\n"
          "static_assert(1, \"exit()\");\n")
    assert run("check-names", tmp_path) == (0, "")


@pytest.mark.parametrize("text, expected", [
    ("See [this](other.md).", "link to other.md"),
    ("See `src/gpu/gone.c`.", "names src/gpu/gone.c"),
    ("```sh\nscripts/gone --now\n```", "names scripts/gone"),
    ("Matches nothing: `src/gpu/gone*.c`.", "names src/gpu/gone*.c"),
    ("Run `pearvisor fly`.", "'pearvisor fly' is no subcommand"),
    ("Run `scripts/check moon`.", "'scripts/check moon' is no stage"),
    ("`test_here` and `test_gone`", "names test_gone, which is no test"),
    ("At most `PV_GPU_MOONS_MAX`.", "names PV_GPU_MOONS_MAX, which no source file has"),
    ("At most `MOONS_MAX`.", "names MOONS_MAX, which no source file has"),
])
def test_docs_finds_planted_violation(tmp_path, text, expected):
    plant(tmp_path, "cli/main.c", 'x = {\n    {"run", pv_cli_run, ""},\n};\n')
    plant(tmp_path, "scripts/check", '(\n    "unit-gcc  600 meson.build x"\n)\n')
    plant(tmp_path, "tests/unit/test_a.c", "static void test_here(void **state)\n")
    plant(tmp_path, "docs/a.md", text + "\n")
    status, output = run("check-docs", tmp_path)
    assert status == 1
    assert expected in output
    assert len(output.splitlines()) == 1


def test_docs_accepts(tmp_path):
    plant(tmp_path, "cli/main.c", 'x = {\n    {"run", pv_cli_run, ""},\n};\n')
    plant(tmp_path, "scripts/check", '(\n    "unit-gcc  600 meson.build x"\n)\n')
    plant(tmp_path, "docs/a.md", "[x](a.md#part) [y](https://example.org/z) `cli/main.c`, `cli/*.c`, "
          "`src/<folder>/<file>.c`, `build/gone`, `pearvisor run -- x`, `pearvisor-gpu`,\n"
          "`scripts/check unit-gcc`, `scripts/check -v unit-gcc`, `scripts/check list`,\n"
          "`PV_GPU_MOON_MAX`, `PV_ANY=1 make`\n")
    plant(tmp_path, "src/gpu/a.h", "#define PV_GPU_MOON_MAX 1\n")
    assert run("check-docs", tmp_path) == (0, "")
