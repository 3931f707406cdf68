#include "base/signal_watch.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace mindspore::serving {
namespace {

// A signal handler has no other way to its object than a variable of the process.
std::atomic<int> handler_fd{-1};

void HandleSignal(int signal) {
  const int saved_errno = errno;
  const auto number = static_cast<unsigned char>(signal);
  const int fd = handler_fd.load(std::memory_order_relaxed);
  if (fd >= 0) {
    (void)!::write(fd, &number, 1);  // a full pipe has the news already
  }
  errno = saved_errno;
}

}  // namespace

SignalWatch::SignalWatch(std::span<const int> signals) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    throw std::system_error(errno, std::generic_category(), "pipe2");
  }
  read_end_ = UniqueFd(ends[0]);
  write_end_ = UniqueFd(ends[1]);
  int none = -1;
  if (!handler_fd.compare_exchange_strong(none, write_end_.get())) {
    throw std::logic_error("signals are being watched already");
  }
  struct sigaction action {};
  action.sa_handler = HandleSignal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (int signal : signals) {
    struct sigaction old {};
    if (::sigaction(signal, &action, &old) != 0) {
      const int error = errno;
      Restore();
      throw std::system_error(error, std::generic_category(), "sigaction");
    }
    previous_.emplace_back(signal, old);
  }
}

std::vector<int> SignalWatch::Take() {
  std::vector<int> signals;
  std::array<unsigned char, 64> numbers;
  for (;;) {
    const ssize_t count = ::read(read_end_.get(), numbers.data(), numbers.size());
    if (count <= 0) {
      return signals;
    }
    signals.insert(signals.end(), numbers.begin(), numbers.begin() + count);
  }
}

void SignalWatch::Restore() {
  for (const auto &[signal, old] : previous_) {
    struct sigaction now {};
    ::sigaction(signal, nullptr, &now);
    if (now.sa_handler == HandleSignal) {
      ::sigaction(signal, &old, nullptr);
    }
  }
  previous_.clear();
  int ours = write_end_.get();
  handler_fd.compare_exchange_strong(ours, -1);
}

}  // namespace mindspore::serving
