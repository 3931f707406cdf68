#!/usr/bin/env bash
# Runs all tests, from a clean machine too: installs what is missing, builds, checks the sources, runs the C++ tests plain and
# under the sanitizers, and the Python tests. Words given are passed on to pytest, e.g. scripts/test.sh -k restful -x
# What compiles runs beside what waits: the plain C++ tests beside the installation, the sanitizers beside the Python tests.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
# shellcheck source=scripts/steps.sh
. scripts/steps.sh

cpp_tests() {
  local build=build/cpp-$1 run=() client=OFF fuzzers=OFF
  # The thread sanitizer of older compilers cannot start where the kernel scatters addresses widely.
  if [ "$2" = thread ] && setarch "$(uname -m)" -R true; then
    run=(setarch "$(uname -m)" -R)
  fi
  # The library of the C++ client is for the service tests.
  if [ "$1" = plain ]; then client=ON; fi
  # The fuzz targets run their seeds.
  if [ "$1" = address ]; then fuzzers=ON; fi
  cmake -S . -B "$build" -G Ninja -DSERVING_BUILD_TESTS=ON -DSERVING_BUILD_EXTENSIONS=OFF "-DSERVING_BUILD_CLIENT=$client" \
    "-DSERVING_BUILD_FUZZERS=$fuzzers" "-DSERVING_SANITIZE=$2"
  cmake --build "$build" --parallel "${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}"
  # Every report of a sanitizer fails the test.
  env ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 \
    "${run[@]}" ctest --test-dir "$build" --output-on-failure --no-tests=error --timeout 600
}

plain_tests() {
  say "C++ tests"
  step cpp-plain "the log names the test" cpp_tests plain ""
}

sanitizer_tests() {
  say "C++ tests with the address and undefined behaviour sanitizers"
  step cpp-address "the log holds the sanitizer's report" cpp_tests address address
  say "C++ tests with the thread sanitizer"
  step cpp-thread "the log holds the sanitizer's report" cpp_tests thread thread
}

ensure_packages
trap stop_begun EXIT
begin plain plain_tests
ensure_venv
ensure_installed server,mindspore,test
bin=$venv/bin

say "checking the sources"
step ruff-check "mend what it names; 'ruff check --fix' may do it" "$bin/ruff" check .
step ruff-format "run 'ruff format'" "$bin/ruff" format --check .
step clang-format "run 'clang-format -i' on what it names" \
  find ccsrc tests example \( -name '*.cc' -o -name '*.h' \) -exec "$bin/clang-format" --dry-run -Werror {} +

finish plain  # before the service tests, which use its build
begin sanitizers sanitizer_tests

for suite in unit contract service fault; do
  if [ -n "$(find "tests/$suite" -name 'test_*.py' -print -quit 2>/dev/null)" ]; then
    say "Python tests: tests/$suite"
    step "pytest-$suite" "run it alone: $bin/python -m pytest tests/$suite" \
      timeout --signal=INT --kill-after=60 900 "$bin/python" -m pytest "tests/$suite" --color=no -q "$@"
    tail -n 1 "$log_dir/pytest-$suite.log" | sed 's/^/    /'
  fi
done
finish sanitizers
say "all tests passed in $SECONDS s"
