#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mindspore::serving {

/// A method of a servable as its workers announce it.
struct MethodInfo {
  std::string name;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  int lane = 0;                    ///< whose bell at the worker a new instance rings
  uint32_t credit = 8;             ///< instances of it that one worker takes at once
  bool only_model_stages = false;  ///< never routed to workers without a device

  /// Whether calls made for one can be run by the other.
  bool SameSignature(const MethodInfo &other) const { return inputs == other.inputs && outputs == other.outputs; }
};

}  // namespace mindspore::serving
