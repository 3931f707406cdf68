#include "shm/lane.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <chrono>
#include <system_error>

#include "shm/fence.h"

namespace mindspore::serving {

Bell Bell::Create() {
  UniqueFd fd(::eventfd(0, EFD_CLOEXEC));
  if (!fd) {
    throw std::system_error(errno, std::generic_category(), "eventfd");
  }
  return Bell(std::move(fd));
}

void Bell::Ring() const {
  // A counter that the other end filled on purpose would block the write; that bell is rung as it is.
  pollfd room{fd_.get(), POLLOUT, 0};
  if (::poll(&room, 1, 0) == 0) {
    return;
  }
  const uint64_t one = 1;
  while (::write(fd_.get(), &one, sizeof(one)) < 0 && errno == EINTR) {
  }
}

void Bell::Wait() const {
  uint64_t count = 0;
  while (::read(fd_.get(), &count, sizeof(count)) < 0) {
    if (errno == EAGAIN) {
      WaitFor(Clock::duration::max());  // the other end made the descriptor, which both share, non-blocking
    } else if (errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "waiting for a bell");
    }
  }
}

bool Bell::WaitFor(Clock::duration duration) const {
  pollfd waiting{fd_.get(), POLLIN, 0};
  if (duration == Clock::duration::max()) {
    return ::poll(&waiting, 1, -1) > 0;
  }
  const auto whole = std::chrono::ceil<std::chrono::milliseconds>(duration);
  return ::poll(&waiting, 1, static_cast<int>(whole.count())) > 0;
}

void OwnLane::Prepare() {
  // Relaxed: the fence orders both before the caller's last look for work.
  own_asleep_.store(true, std::memory_order_relaxed);
  asleep_->store(1, std::memory_order_relaxed);
  StoreLoadFence();
}

void OwnLane::MarkAwake() {
  // Relaxed: a ringer that still sees the old value rings once in vain.
  own_asleep_.store(false, std::memory_order_relaxed);
  asleep_->store(0, std::memory_order_relaxed);
}

void OwnLane::Wake() {
  StoreLoadFence();
  if (own_asleep_.load(std::memory_order_relaxed) && own_asleep_.exchange(false, std::memory_order_relaxed)) {
    asleep_->store(0, std::memory_order_relaxed);
    bell_.Ring();
  }
}

void PeerLane::RingIfAsleep() const {
  StoreLoadFence();
  // The load spares the cache line of a lane that is awake. Of several ringers the exchange lets one make the system
  // call.
  if (asleep_->load(std::memory_order_relaxed) != 0 && asleep_->exchange(0, std::memory_order_relaxed) != 0) {
    bell_.Ring();
  }
}

}  // namespace mindspore::serving
