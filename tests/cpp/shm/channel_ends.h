#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "shm/channel.h"

namespace mindspore::serving {

inline ChannelOptions SmallChannel() {
  return ChannelOptions{.request_bytes = 1 << 20, .reply_bytes = 1 << 20, .ring_entries = 64};
}

inline RingEntry MakeEntry(EntryKind kind, uint64_t token, uint64_t offset = 0, uint64_t size_bytes = 0) {
  return RingEntry{kind, 0, token, offset, size_bytes, {}};
}

/// The worker's end in this process: over copies of the descriptors, so memory is mapped twice, as in two processes.
inline std::unique_ptr<Channel> AttachHere(const Channel &master) {
  std::vector<int> copies;
  for (const int fd : master.peer_fds()) {
    copies.push_back(::dup(fd));
  }
  return Channel::Attach(copies);
}

/// Sleeps at a lane until there is an entry. Nothing: the channel was closed.
inline std::optional<RingEntry> WaitForEntry(Channel *channel, int lane) {
  for (;;) {
    if (auto entry = channel->Receive()) {
      return entry;
    }
    if (channel->closed()) {
      return std::nullopt;
    }
    channel->PrepareSleep(lane);
    if (auto entry = channel->Receive()) {
      channel->CancelSleep(lane);
      return entry;
    }
    channel->Sleep(lane);
  }
}

/// A sleeper whose end would otherwise be waited for for ever when a test has failed.
class Sleeper {
 public:
  Sleeper(Channel *channel, int lane) : channel_(channel) {
    channel->PrepareSleep(lane);
    ended_ = std::async(std::launch::async, [channel, lane] { channel->Sleep(lane); });
  }
  Sleeper(Sleeper &&) = default;
  ~Sleeper() {
    if (ended_.valid() && !Ended()) {
      channel_->Close();
    }
  }
  bool Ended() const { return ended_.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }
  bool Ends() const { return ended_.wait_for(std::chrono::seconds(60)) == std::future_status::ready; }

 private:
  Channel *channel_;
  std::future<void> ended_;
};

/// Both ends in this process.
class ChannelTest : public testing::Test {
 protected:
  const std::unique_ptr<Channel> master_ = Channel::Create(SmallChannel());
  const std::unique_ptr<Channel> worker_ = AttachHere(*master_);
};

/// A forked process that holds the worker's end; what `body` returns is its exit code. It is ended by an alarm if it
/// hangs.
class ForkedPeer {
 public:
  ForkedPeer(const Channel &master, const std::function<int(Channel &)> &body) : pid_(::fork()) {
    if (pid_ == 0) {
      ::alarm(120);
      int code = 99;
      try {
        const auto channel = Channel::Attach(master.peer_fds());
        code = body(*channel);
      } catch (const std::exception &error) {
        ADD_FAILURE() << error.what();
      }
      ::_exit(code);
    }
  }
  ForkedPeer(const ForkedPeer &) = delete;
  ForkedPeer &operator=(const ForkedPeer &) = delete;
  ~ForkedPeer() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      WaitStatus();
    }
  }

  void Kill() { ::kill(pid_, SIGKILL); }
  int WaitStatus() {
    int status = 0;
    EXPECT_EQ(::waitpid(std::exchange(pid_, -1), &status, 0) > 0, true);
    return status;
  }
  int ExitCode() {
    const int status = WaitStatus();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  pid_t pid_;
};

}  // namespace mindspore::serving
