#pragma once

#include <chrono>

namespace mindspore::serving {

using Clock = std::chrono::steady_clock;

}  // namespace mindspore::serving
