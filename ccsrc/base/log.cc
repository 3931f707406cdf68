#include "base/log.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <map>
#include <mutex>
#include <sstream>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/unique_fd.h"

namespace mindspore::serving {
namespace {

// With the rest of the line less than PIPE_BUF: what a pipe takes whole or not at all.
constexpr size_t kMaxTextBytes = 3072;
constexpr int kLinesInWindow = 10;
constexpr Clock::duration kWindow = std::chrono::seconds(10);
constexpr std::array<const char *, 4> kLevelNames = {"DEBUG", "INFO", "WARNING", "ERROR"};

/// What one place in the code has written lately.
struct Site {
  Clock::time_point window_start{};
  int lines = 0;
  uint64_t left_out = 0;

  bool MayWrite() {
    const auto now = Clock::now();
    if (now - window_start >= kWindow) {
      window_start = now;
      lines = 0;
    }
    return ++lines <= kLinesInWindow;
  }
};

std::string TimeNow() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm local{};
  ::localtime_r(&now.tv_sec, &local);
  std::array<char, 64> text{};
  const size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%d-%H:%M:%S", &local);
  const long micros = now.tv_nsec / 1000;
  std::snprintf(text.data() + length, text.size() - length, ".%03ld.%03ld", micros / 1000, micros % 1000);
  return text.data();
}

// The path from the root of our sources on.
std::string_view Place(std::string_view path) {
  const size_t start = path.rfind("ccsrc/");
  return start == std::string_view::npos ? path : path.substr(start);
}

std::string CleanText(std::string_view text) {
  std::string clean = LimitUtf8(text, kMaxTextBytes);
  for (char &c : clean) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      c = ' ';
    }
  }
  return clean;
}

bool WriteWhole(int fd, const std::string &line) {
  return ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

// Terminals and pipes through a description of our own: what it says of waiting holds for no other process. A terminal
// says that it has room when it has less than a line needs.
UniqueFd OpenConsole() {
  struct stat status {};
  if (::fstat(STDERR_FILENO, &status) != 0 || !(S_ISCHR(status.st_mode) || S_ISFIFO(status.st_mode))) {
    return {};
  }
  return UniqueFd(::open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

// False when nobody takes the whole line.
bool WriteToConsole(const std::string &line) {
  if (const UniqueFd console = OpenConsole()) {
    return WriteWhole(console.get(), line);
  }
  pollfd room{STDERR_FILENO, POLLOUT, 0};
  return ::poll(&room, 1, 0) == 1 && WriteWhole(STDERR_FILENO, line);
}

// Opened for each line: the Python half renames the file when it has grown enough.
bool AppendToFile(const std::string &path, const std::string &line) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
  return file && WriteWhole(file.get(), line);
}

class Sink {
 public:
  void SetUp(LogSettings settings) {
    std::lock_guard lock(mutex_);
    level_.store(settings.level, std::memory_order_relaxed);
    settings_ = std::move(settings);
  }

  bool IsOn(LogLevel level) const { return level >= level_.load(std::memory_order_relaxed); }

  void Write(LogLevel level, std::string_view text, const char *file, int line_number) {
    std::lock_guard lock(mutex_);
    Site &site = sites_[{file, line_number}];
    if (level != LogLevel::kDebug && !site.MayWrite()) {
      ++site.left_out;
      return;
    }
    const std::string line = Line(level, text, file, line_number, site.left_out);
    bool taken = !settings_.file.empty() && AppendToFile(settings_.file, line);
    if (!taken || level >= settings_.console_level) {
      taken |= WriteToConsole(line);
    }
    site.left_out = taken ? 0 : site.left_out + 1;
  }

 private:
  std::string Line(LogLevel level, std::string_view text, const char *file, int line_number, uint64_t left_out) const {
    std::ostringstream line;
    line << "[" << kLevelNames[static_cast<size_t>(level)] << "] SERVING(" << ::getpid() << ":" << ::pthread_self()
         << "," << settings_.process_name << "):" << TimeNow() << " [" << Place(file) << ":" << line_number << "] "
         << CleanText(text);
    if (left_out > 0) {
      line << " (" << left_out << " lines like this were left out)";
    }
    line << "\n";
    return line.str();
  }

  std::atomic<LogLevel> level_{LogLevel::kWarning};
  std::mutex mutex_;  ///< guards what follows, and keeps lines apart
  LogSettings settings_;
  std::map<std::pair<const char *, int>, Site> sites_;
};

Sink &TheSink() {
  static auto *sink = new Sink;  // never destroyed: threads may log until the process has ended
  return *sink;
}

}  // namespace

void SetUpLog(LogSettings settings) { TheSink().SetUp(std::move(settings)); }

bool LogIsOn(LogLevel level) { return TheSink().IsOn(level); }

void Log(LogLevel level, std::string_view text, const char *file, int line) {
  if (LogIsOn(level)) {
    TheSink().Write(level, text, file, line);
  }
}

}  // namespace mindspore::serving
