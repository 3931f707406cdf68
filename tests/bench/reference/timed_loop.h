#pragma once

#include <chrono>
#include <iostream>

/// The C++ side of a measured loop, as loops/timed_loop.py is Python's: prints "ready", then calls `work` over and over for as
/// many seconds as each line of standard input says, and prints a line of JSON with how often it did.
template <typename Work>
void ServeTimedLoop(Work work) {
  work();
  std::cout << "ready" << std::endl;
  for (double seconds = 0; std::cin >> seconds;) {
    const auto started = std::chrono::steady_clock::now();
    std::chrono::duration<double> spent{};
    long calls = 0;
    do {
      work();
      ++calls;
      spent = std::chrono::steady_clock::now() - started;
    } while (spent.count() < seconds);
    std::cout << "{\"calls\": " << calls << ", \"seconds\": " << spent.count() << "}" << std::endl;
  }
}
