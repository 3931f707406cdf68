// Decodes the body of a RESTful request over and over: one instance with the input "x", nested lists of four dimensions. Either with
// the server's codec, or with simdjson's on-demand parser and nothing around it but loops that keep the numbers as float32.
//
// Usage: json_decode codec|simdjson FILE COUNT          COUNT: how many numbers there are

#include <simdjson.h>

#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "timed_loop.h"
#include "wire/json_codec.h"

namespace {

std::string ReadFile(const char *path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

size_t DecodeWithCodec(const std::string &body) {
  const auto request = mindspore::serving::DecodeJsonRequest(std::as_bytes(std::span(body)), "servable", "method", 1);
  return request->instances.at(0).items.at(0).data.size_bytes() / sizeof(float);
}

template <int rank>
void AppendNumbers(simdjson::ondemand::value value, std::vector<float> *numbers) {
  for (auto item : value.get_array()) {
    if constexpr (rank == 1) {
      numbers->push_back(static_cast<float>(item.get_double().value()));
    } else {
      AppendNumbers<rank - 1>(item.value(), numbers);
    }
  }
}

size_t DecodeWithSimdjson(const simdjson::padded_string &body, size_t count) {
  std::vector<float> numbers;
  numbers.reserve(count);
  simdjson::ondemand::parser parser;
  simdjson::ondemand::document document = parser.iterate(body);
  for (auto instance : document["instances"].get_array()) {
    AppendNumbers<4>(instance["x"].value(), &numbers);
  }
  return numbers.size();
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 4) {
    std::cerr << "usage: json_decode codec|simdjson FILE COUNT" << std::endl;
    return 2;
  }
  const std::string body = ReadFile(argv[2]);
  const size_t count = std::stoul(argv[3]);
  const simdjson::padded_string padded(body);
  const bool with_codec = argv[1] == std::string_view("codec");
  ServeTimedLoop([&] {
    if ((with_codec ? DecodeWithCodec(body) : DecodeWithSimdjson(padded, count)) != count) {
      throw std::runtime_error("another number of numbers than there are");
    }
  });
}
