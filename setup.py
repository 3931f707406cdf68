"""Builds the package: the generated Python files, and the two extension modules through CMake.

MINDSPORE_SERVING_CLIENT_ONLY=1    the client alone, as a pure Python wheel; needs no compiler
MINDSPORE_SERVING_CMAKE_ARGS       more arguments for CMake, e.g. "-DSERVING_SANITIZE=address"
CMAKE_BUILD_PARALLEL_LEVEL         how many compilers run at once; all processors by default
BACKEND_POLICY                     recorded in mindspore_serving/default_config.py
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
PACKAGE = ROOT / "mindspore_serving"
CLIENT_ONLY = os.environ.get("MINDSPORE_SERVING_CLIENT_ONLY", "0") not in ("", "0")
EXTENSIONS = {
    "mindspore_serving.server._master._core": "_master",
    "mindspore_serving.server._worker._core": "_worker",
}


def works(program: str) -> bool:
    """Whether the program starts: a file of that name in PATH may be a launcher of nothing."""
    try:
        return subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def write_if_changed(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def generate_protos() -> None:
    """proto/ms_service.proto as mindspore_serving.proto, unless what is there was made from the same file."""
    source = ROOT / "proto" / "ms_service.proto"
    target = PACKAGE / "proto"
    stamp = (
        '"""The generated messages and stubs of the public protocol."""\n'
        f"# made from {source.name}, sha256 {hashlib.sha256(source.read_bytes()).hexdigest()}\n"
    )
    made = [target / "ms_service_pb2.py", target / "ms_service_pb2_grpc.py"]
    init = target / "__init__.py"
    if init.exists() and init.read_text() == stamp and all(path.exists() for path in made):
        return
    version = importlib.metadata.version("grpcio-tools")
    if tuple(int(part) for part in version.split(".")[:2]) > (1, 62):
        raise SystemExit(
            f"grpcio-tools {version} writes code that needs the newest protobuf; build with 1.62.3 "
            "(pip takes it by itself unless --no-build-isolation is given)"
        )
    from grpc_tools import protoc

    mapping = f"-Imindspore_serving/proto={source.parent}"
    outputs = [f"--python_out={ROOT}", f"--grpc_python_out={ROOT}"]
    if protoc.main(["protoc", mapping, *outputs, f"mindspore_serving/proto/{source.name}"]) != 0:
        raise SystemExit(f"protoc could not compile {source}")
    write_if_changed(init, stamp)


def generate_version_files(version: str) -> None:
    backend = os.environ.get("BACKEND_POLICY", "None")
    write_if_changed(
        PACKAGE / "version.py",
        f'"""The version of this package; made by setup.py from pyproject.toml."""\n\n__version__ = "{version}"\n',
    )
    write_if_changed(
        PACKAGE / "default_config.py",
        f'"""How this package was built; made by setup.py."""\n\n__backend__ = "{backend}"\n'
        '__package_name__ = "mindspore_serving"\n',
    )


class BuildPython(build_py):
    """Makes the generated files first, and leaves nothing of an earlier build in the wheel."""

    def run(self) -> None:
        generate_protos()
        generate_version_files(self.distribution.get_version())
        if not self.editable_mode and Path(self.build_lib).exists():
            shutil.rmtree(self.build_lib)
        super().run()

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        modules = super().find_package_modules(package, package_dir)
        if CLIENT_ONLY and package == "mindspore_serving":
            kept = ("__init__", "default_config", "log", "version")
            modules = [module for module in modules if module[1] in kept]
        return modules


class BuildExtensions(build_ext):
    """Builds both modules with one run of CMake, in build/<ABI of the interpreter>, which later builds go on from."""

    def build_extensions(self) -> None:
        build_dir = ROOT / "build" / sysconfig.get_config_var("SOABI")
        self.run_cmake(build_dir)
        for extension in self.extensions:
            target = Path(self.get_ext_fullpath(extension.name))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(build_dir / EXTENSIONS[extension.name] / target.name, target)

    def run_cmake(self, build_dir: Path) -> None:
        arguments = [
            f"-DCMAKE_BUILD_TYPE={'Debug' if self.debug else 'Release'}",
            f"-DPython_EXECUTABLE={sys.executable}",
            f"-Dnanobind_ROOT={self.stable_copy('nanobind', build_dir) / 'cmake'}",
            f"-DNUMPY_INCLUDE={self.stable_copy('numpy', build_dir)}",
            *shlex.split(os.environ.get("MINDSPORE_SERVING_CMAKE_ARGS", "")),
        ]
        if not (build_dir / "CMakeCache.txt").exists() and works("ninja"):
            arguments += ["-G", "Ninja"]
        jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL") or str(len(os.sched_getaffinity(0)))
        self.call(["cmake", "-S", str(ROOT), "-B", str(build_dir), *arguments])
        targets = ["--target", "_master_core", "--target", "_worker_core"]
        self.call(["cmake", "--build", str(build_dir), "--parallel", jobs, *targets])

    def stable_copy(self, package: str, build_dir: Path) -> Path:
        """The sources of nanobind or the headers of numpy, in the build directory.

        pip builds in an environment with another path each time; used from there they would be compiled anew each time.
        """
        if package == "nanobind":
            import nanobind

            source = Path(nanobind.__file__).parent
        else:
            import numpy

            source = Path(numpy.get_include())
        target = build_dir / f"{package}-{importlib.metadata.version(package)}"
        if not target.exists():
            partial = target.with_name(f"{target.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(source, partial)
            partial.rename(target)
        return target

    def call(self, command: list[str]) -> None:
        self.announce(f"running {shlex.join(command)}", level=2)
        try:
            code = subprocess.run(command, check=False).returncode
        except FileNotFoundError:
            raise SystemExit(f"{command[0]} is not installed; packages-apt.txt names what the build needs") from None
        if code != 0:
            raise SystemExit(f"{command[0]} failed with code {code}; its messages are above")


def extension_requirements() -> list[str]:
    programs = [name for name in ("cmake", "ninja") if not works(name)]
    return ["nanobind>=2.4", "numpy>=2", *programs]


def packages() -> list[str]:
    excluded = ["mindspore_serving.server*"] if CLIENT_ONLY else []
    found = set(find_packages(str(ROOT), include=["mindspore_serving*"], exclude=excluded))
    return sorted(found | {"mindspore_serving.proto"})


(PACKAGE / "proto").mkdir(parents=True, exist_ok=True)
setup(
    packages=packages(),
    package_data={"": ["*.pyi", "py.typed"]},
    ext_modules=[] if CLIENT_ONLY else [Extension(name, sources=[]) for name in EXTENSIONS],
    setup_requires=[] if CLIENT_ONLY else extension_requirements(),
    cmdclass={"build_py": BuildPython, "build_ext": BuildExtensions},
    zip_safe=False,
)
