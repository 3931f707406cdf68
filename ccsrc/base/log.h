#pragma once

#include <string>
#include <string_view>

namespace mindspore::serving {

/// The numbers of GLOG_v.
enum class LogLevel : int { kDebug = 0, kInfo = 1, kWarning = 2, kError = 3 };

/// Where lines go; mindspore_serving/log.py reads the same from the environment, for its own lines and for these.
struct LogSettings {
  LogLevel level = LogLevel::kWarning;        ///< lines below it are not written
  LogLevel console_level = LogLevel::kDebug;  ///< nor these to standard error
  std::string file = {};                      ///< appended to, unless it is empty
  std::string process_name = "MainProcess";
};

/// The log is the one thing that all layers share: they need not be handed it, and it works before it is set up.
void SetUpLog(LogSettings settings);

/// Whether a line of that level would be written, for texts that take time to make.
bool LogIsOn(LogLevel level);

/// Writes one line, in the format of the Python half. Control characters in the text become blanks. One place in the
/// code writes ten lines in ten seconds at most, and then says how many it left out; at kDebug it writes all. A console
/// that nobody reads does not hold the caller up: it misses the line. Thread-safe, and never takes Python's lock.
/// `file` and `line` are the caller's (built in, since the library of Clang 14 has no std::source_location).
void Log(LogLevel level, std::string_view text, const char *file = __builtin_FILE(), int line = __builtin_LINE());

}  // namespace mindspore::serving
