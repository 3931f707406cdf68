#pragma once

#include <chrono>

namespace mindspore::serving {

using Clock = std::chrono::steady_clock;

/// For how long the calling thread has been running on a processor: what it did, however busy the machine is.
std::chrono::nanoseconds ThreadTime();

}  // namespace mindspore::serving
