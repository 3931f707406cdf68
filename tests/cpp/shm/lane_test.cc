#include "shm/lane.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace mindspore::serving {
namespace {

bool IsRung(const Bell &bell) { return bell.WaitFor(Clock::duration::zero()); }

TEST(BellTest, RingsAreRememberedAndTakenTogether) {
  const Bell bell = Bell::Create();
  EXPECT_FALSE(IsRung(bell));
  EXPECT_FALSE(bell.WaitFor(std::chrono::milliseconds(1)));
  bell.Ring();
  bell.Ring();
  EXPECT_TRUE(IsRung(bell));
  bell.Wait();
  EXPECT_FALSE(IsRung(bell));
}

/// Where two threads wait for each other, closely enough to meet within nanoseconds.
class Meeting {
 public:
  void Meet() {
    const int target = (arrived_.fetch_add(1) / 2 + 1) * 2;
    for (unsigned spins = 1; arrived_.load() < target; ++spins) {
      if (spins % 1024 == 0) {
        std::this_thread::yield();
      }
    }
  }

 private:
  alignas(64) std::atomic<int> arrived_{0};
};

// The sleeper announces itself and looks for work in the very moment in which the other brings it and looks for
// sleepers: never may both miss each other. `wake` is what the other does after it has made the work visible.
template <typename Wake>
void ExpectNoRoundMissed(OwnLane *lane, Wake wake) {
  constexpr int kRounds = 100'000;
  alignas(64) std::atomic<int> work{0};
  Meeting start;
  Meeting end;
  std::thread other([&] {
    for (int round = 1; round <= kRounds; ++round) {
      start.Meet();
      work.store(round, std::memory_order_relaxed);
      wake();
      end.Meet();
    }
  });
  int missed = 0;
  for (int round = 1; round <= kRounds; ++round) {
    start.Meet();
    lane->Prepare();
    const bool found = work.load(std::memory_order_relaxed) == round;
    end.Meet();
    const bool rung = IsRung(lane->bell());
    missed += !found && !rung;
    if (rung) {
      lane->bell().Wait();
    }
    lane->MarkAwake();
  }
  other.join();
  EXPECT_EQ(missed, 0);
}

TEST(LaneTest, TheOtherEndNeverMissesASleeper) {
  alignas(64) std::atomic<uint32_t> asleep{0};
  OwnLane lane(Bell::Create(), &asleep);
  const PeerLane peer(Bell(UniqueFd(::dup(lane.bell().fd()))), &asleep);
  ExpectNoRoundMissed(&lane, [&peer] { peer.RingIfAsleep(); });
}

TEST(LaneTest, TheOwnProcessNeverMissesASleeper) {
  alignas(64) std::atomic<uint32_t> asleep{0};
  OwnLane lane(Bell::Create(), &asleep);
  ExpectNoRoundMissed(&lane, [&lane] { lane.Wake(); });
}

TEST(LaneTest, WakeDoesNotBelieveTheSharedFlag) {
  std::atomic<uint32_t> asleep{0};
  OwnLane lane(Bell::Create(), &asleep);
  lane.Prepare();
  EXPECT_EQ(asleep, 1u);
  asleep = 0;  // the other end lies
  lane.Wake();
  EXPECT_TRUE(IsRung(lane.bell()));
}

TEST(LaneTest, NobodyRingsForALaneThatIsAwake) {
  std::atomic<uint32_t> asleep{0};
  OwnLane lane(Bell::Create(), &asleep);
  const PeerLane peer(Bell(UniqueFd(::dup(lane.bell().fd()))), &asleep);
  lane.Prepare();
  lane.MarkAwake();
  peer.RingIfAsleep();
  lane.Wake();
  EXPECT_FALSE(IsRung(lane.bell()));
}

}  // namespace
}  // namespace mindspore::serving
