#include "base/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"

namespace mindspore::serving {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::SizeIs;

/// Standard error is a pipe that the test reads, and the log's file is the test's own.
class LogTest : public testing::Test {
 protected:
  LogTest() : file_(testing::TempDir() + "log_test." + std::to_string(::getpid())), saved_(::dup(STDERR_FILENO)) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    read_ = UniqueFd(ends[0]);
    EXPECT_EQ(::fcntl(read_.get(), F_SETFL, O_NONBLOCK), 0);  // the other end blocks, as standard error does
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[1]);
  }
  ~LogTest() override {
    ::dup2(saved_.get(), STDERR_FILENO);
    ::unlink(file_.c_str());
    SetUpLog({});
  }

  std::string Console() {
    std::string text(1 << 20, '\0');
    const ssize_t count = ::read(read_.get(), text.data(), text.size());
    text.resize(count > 0 ? static_cast<size_t>(count) : 0);
    return text;
  }
  std::vector<std::string> FileLines() const {
    std::ifstream stream(file_);
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);) {
      lines.push_back(line);
    }
    return lines;
  }

  const std::string file_;

 private:
  UniqueFd saved_;
  UniqueFd read_;
};

TEST_F(LogTest, ALineHasTheFormatOfThePythonHalf) {
  SetUpLog({.process_name = "A process"});
  Log(LogLevel::kWarning, "what happened");
  std::ostringstream format;
  format << "\\[WARNING\\] SERVING\\(" << ::getpid() << ":" << ::pthread_self() << ",A process\\):"
         << "[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}\\.[0-9]{3} "
         << "\\[.*log_test\\.cc:[0-9]+\\] what happened\n";
  EXPECT_THAT(Console(), MatchesRegex(format.str()));
}

TEST_F(LogTest, LinesBelowTheLevelAreNotWritten) {
  for (int level = 0; level <= 3; ++level) {
    SetUpLog({.level = static_cast<LogLevel>(level)});
    for (int line = 0; line <= 3; ++line) {
      EXPECT_EQ(LogIsOn(static_cast<LogLevel>(line)), line >= level);
      Log(static_cast<LogLevel>(line), "text");
      EXPECT_EQ(!Console().empty(), line >= level) << line << " at level " << level;
    }
  }
}

TEST_F(LogTest, BesideAFileTheConsoleGetsWhatItsOwnLevelLetsThrough) {
  SetUpLog({.level = LogLevel::kInfo, .console_level = LogLevel::kError, .file = file_});
  Log(LogLevel::kDebug, "nowhere");
  Log(LogLevel::kInfo, "to the file");
  Log(LogLevel::kError, "to both");
  const auto lines = FileLines();
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_THAT(lines[0], EndsWith("] to the file"));
  EXPECT_THAT(lines[1], EndsWith("] to both"));
  const std::string console = Console();
  EXPECT_THAT(console, EndsWith("] to both\n"));
  EXPECT_THAT(console, testing::Not(HasSubstr("to the file")));
}

TEST_F(LogTest, AFileThatWasPutAsideIsMadeAnew) {
  SetUpLog({.file = file_});
  Log(LogLevel::kError, "old");
  ASSERT_EQ(::unlink(file_.c_str()), 0);
  Log(LogLevel::kError, "new");
  const auto lines = FileLines();
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0], EndsWith("] new"));
}

TEST_F(LogTest, WhatNoFileTakesTheConsoleGets) {
  SetUpLog({.console_level = LogLevel::kError, .file = testing::TempDir() + "no/such/folder/log"});
  Log(LogLevel::kWarning, "text");
  EXPECT_THAT(Console(), EndsWith("] text\n"));
}

TEST_F(LogTest, OneLineStaysOneLine) {
  Log(LogLevel::kError, std::string("a\nb\r\x1b[1m\0c\x7f\xff", 12) + std::string(10000, 'x'));
  const std::string text = Console();
  EXPECT_THAT(text, HasSubstr("] a b  [1m c \xef\xbf\xbdxxx"));
  EXPECT_EQ(text.find('\n'), text.size() - 1);
  EXPECT_LT(text.size(), 4096U);
}

TEST_F(LogTest, OnePlaceWritesTenLinesAndLeavesTheOthersAlone) {
  SetUpLog({.file = file_});
  for (int i = 0; i < 25; ++i) {
    Log(LogLevel::kError, "again and again");
  }
  Log(LogLevel::kError, "elsewhere");
  const auto lines = FileLines();
  ASSERT_THAT(lines, SizeIs(11));
  EXPECT_THAT(lines[10], EndsWith("] elsewhere"));
}

TEST_F(LogTest, DebuggingIsNotLimited) {
  SetUpLog({.level = LogLevel::kDebug, .file = file_});
  for (int i = 0; i < 25; ++i) {
    Log(LogLevel::kDebug, "again and again");
  }
  EXPECT_THAT(FileLines(), SizeIs(25));
}

TEST_F(LogTest, AConsoleThatNobodyReadsHoldsNobodyUp) {
  SetUpLog({.level = LogLevel::kDebug});
  for (int i = 0; i < 1000; ++i) {  // much more than a pipe holds
    Log(LogLevel::kDebug, std::string(1000, 'x') + (i < 999 ? "" : " the last"));
    if (i == 998) {
      Console();
    }
  }
  const std::string text = Console();
  EXPECT_THAT(text, HasSubstr("x the last ("));
  EXPECT_THAT(text, EndsWith(" lines like this were left out)\n"));
}

TEST_F(LogTest, ATerminalThatNobodyReadsHoldsNobodyUp) {
  const UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY));
  ASSERT_TRUE(master);
  ASSERT_EQ(::grantpt(master.get()), 0);
  ASSERT_EQ(::unlockpt(master.get()), 0);
  const UniqueFd terminal(::open(::ptsname(master.get()), O_RDWR | O_NOCTTY));
  ASSERT_TRUE(terminal);
  ::dup2(terminal.get(), STDERR_FILENO);
  SetUpLog({.level = LogLevel::kDebug});
  for (int i = 0; i < 1000; ++i) {
    Log(LogLevel::kDebug, std::string(1000, 'x'));
  }
  EXPECT_EQ(::fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0) << "others may write there as well";
}

TEST_F(LogTest, LinesOfSeveralThreadsStayApart) {
  SetUpLog({.level = LogLevel::kDebug, .file = file_});
  std::vector<std::thread> threads;
  for (char c = 'a'; c < 'e'; ++c) {
    threads.emplace_back([c] {
      for (int i = 0; i < 100; ++i) {
        Log(LogLevel::kDebug, std::string(500, c));
      }
    });
  }
  for (auto &thread : threads) {
    thread.join();
  }
  const auto lines = FileLines();
  EXPECT_THAT(lines, SizeIs(400));
  for (const std::string &line : lines) {
    EXPECT_THAT(line, MatchesRegex(R"(\[DEBUG\] .*\] (a+|b+|c+|d+))"));
  }
}

}  // namespace
}  // namespace mindspore::serving
