// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/unique_fd.h"
#include "tests/lab/network_namespace.h"
#include "tests/lab/temp_dir.h"

namespace headgate::lab {

struct ProcessOptions {
  const NetworkNamespace* network = nullptr;                   // null: the caller's
  std::optional<std::filesystem::path> cgroup = std::nullopt;  // none: the caller's
  bool keep_stdin_open = false;                                // else standard input is /dev/null
};

// A real program, started at construction and ended at destruction (SIGKILL, waited for).
// Standard output and error go to one file. The kernel also ends it when the thread that
// started it ends, so start it on a thread that lives longer. Not thread-safe.
class Process {
 public:
  explicit Process(const std::vector<std::string>& arguments, const ProcessOptions& options = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  bool running();
  void signal(int number);
  void write_stdin(const std::string& text);

  // Waits for the end: its exit status, or 128 + signal number. None: still running.
  std::optional<int> wait(std::chrono::milliseconds timeout);

  std::string output() const;
  // Waits until the output contains `text`; false when it ended or time ran out before.
  bool wait_for_output(const std::string& text, std::chrono::milliseconds timeout);

 private:
  TempDir directory_;
  UniqueFd stdin_;
  pid_t pid_ = -1;
  std::optional<int> status_;
};

// The processes that this one has started and that have not ended.
std::vector<pid_t> children_of(pid_t pid);

struct CommandResult {
  int status = 0;
  std::string output;
};

// Runs a program to its end; throws LabError when it takes longer than `timeout`.
CommandResult run_command(const std::vector<std::string>& arguments,
                          const ProcessOptions& options = {},
                          std::chrono::milliseconds timeout = std::chrono::seconds(30));

// As run_command, but throws LabError with the output unless the exit status is 0.
std::string must_run(const std::vector<std::string>& arguments, const ProcessOptions& options = {});

}  // namespace headgate::lab
