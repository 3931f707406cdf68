// Runs a target once for each file of the folders named: for compilers that have no libFuzzer.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerInitialize(int *count, char ***arguments) __attribute__((weak));
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int count, char **arguments) {
  if (LLVMFuzzerInitialize != nullptr) {
    LLVMFuzzerInitialize(&count, &arguments);
  }
  int inputs = 0;
  for (int i = 1; i < count; ++i) {
    for (const auto &file : std::filesystem::directory_iterator(arguments[i])) {
      std::ifstream stream(file.path(), std::ios::binary);
      const std::vector<char> bytes(std::istreambuf_iterator<char>(stream), {});
      std::printf("%s\n", file.path().c_str());
      std::fflush(stdout);
      // In memory of exactly its size, as libFuzzer gives it.
      const std::vector<uint8_t> input(bytes.begin(), bytes.end());
      LLVMFuzzerTestOneInput(input.data(), input.size());
      ++inputs;
    }
  }
  std::printf("%d inputs\n", inputs);
  return inputs > 0 ? 0 : 1;
}
