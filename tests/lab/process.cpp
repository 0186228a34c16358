// SPDX-License-Identifier: Apache-2.0
#include "tests/lab/process.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "tests/lab/error.h"
#include "tests/lab/wait.h"

namespace headgate::lab {
namespace {

// Between fork and exec of a program with threads only system calls are safe.
struct ChildPlan {
  char* const* arguments;
  int input;
  int output;
  int network;       // -1: stay
  int cgroup_procs;  // -1: stay
};

[[noreturn]] void become(const ChildPlan& plan) {
  const char* failed = nullptr;
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) failed = "prctl";
  if (plan.cgroup_procs >= 0 && ::write(plan.cgroup_procs, "0", 1) < 0) failed = "cgroup.procs";
  if (plan.network >= 0 && ::setns(plan.network, CLONE_NEWNET) < 0) failed = "setns";
  ::dup2(plan.input, STDIN_FILENO);
  ::dup2(plan.output, STDOUT_FILENO);
  ::dup2(plan.output, STDERR_FILENO);
  if (!failed) {
    ::execvp(plan.arguments[0], plan.arguments);
    failed = "exec";
  }
  const ssize_t ignored = ::write(STDERR_FILENO, failed, std::strlen(failed));
  static_cast<void>(ignored);
  ::_exit(127);
}

}  // namespace

Process::Process(const std::vector<std::string>& arguments, const ProcessOptions& options) {
  std::vector<std::string> copies = arguments;
  std::vector<char*> pointers;
  for (std::string& copy : copies) pointers.push_back(copy.data());
  pointers.push_back(nullptr);

  const auto file = directory_.path() / "output";
  UniqueFd output(check(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600),
                        "open " + file.string()));
  UniqueFd input;
  if (options.keep_stdin_open) {
    int ends[2];
    check(::pipe2(ends, O_CLOEXEC), "pipe2");
    input.reset(ends[0]);
    stdin_.reset(ends[1]);
  } else {
    input.reset(check(::open("/dev/null", O_RDONLY | O_CLOEXEC), "open /dev/null"));
  }
  UniqueFd cgroup_procs;
  if (options.cgroup) {
    const auto procs = *options.cgroup / "cgroup.procs";
    cgroup_procs.reset(
        check(::open(procs.c_str(), O_WRONLY | O_CLOEXEC), "open " + procs.string()));
  }
  const ChildPlan plan{pointers.data(), input.get(), output.get(),
                       options.network ? options.network->fd() : -1, cgroup_procs.get()};
  pid_ = check(::fork(), "fork");
  if (pid_ == 0) become(plan);
}

Process::~Process() {
  if (!running()) return;
  // First the gentle way: nginx ends its workers, which would outlive a killed master.
  ::kill(pid_, SIGTERM);
  if (wait(std::chrono::seconds(2))) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

bool Process::running() {
  return !wait(std::chrono::milliseconds(0));
}

void Process::signal(int number) {
  if (running()) check(::kill(pid_, number), "kill");
}

void Process::write_stdin(const std::string& text) {
  check(::write(stdin_.get(), text.data(), text.size()), "write to the program's input");
}

std::optional<int> Process::wait(std::chrono::milliseconds timeout) {
  eventually(timeout, [this] {
    if (status_) return true;
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) != pid_) return false;
    status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return true;
  });
  return status_;
}

std::string Process::output() const {
  return read_file(directory_.path() / "output");
}

bool Process::wait_for_output(const std::string& text, std::chrono::milliseconds timeout) {
  bool found = false;
  eventually(timeout, [&] {
    const bool ended = !running();
    found = output().find(text) != std::string::npos;
    return found || ended;
  });
  return found;
}

std::vector<pid_t> children_of(pid_t pid) {
  const std::string task = "/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid);
  std::ifstream children(task + "/children");
  std::vector<pid_t> pids;
  for (pid_t child = 0; children >> child;) pids.push_back(child);
  return pids;
}

CommandResult run_command(const std::vector<std::string>& arguments, const ProcessOptions& options,
                          std::chrono::milliseconds timeout) {
  Process process(arguments, options);
  const auto status = process.wait(timeout);
  if (!status) throw LabError(arguments.front() + " did not end in time: " + process.output());
  return {*status, process.output()};
}

std::string must_run(const std::vector<std::string>& arguments, const ProcessOptions& options) {
  CommandResult result = run_command(arguments, options);
  if (result.status != 0) {
    std::string line;
    for (const std::string& argument : arguments) line += argument + " ";
    throw LabError(line + "exited with " + std::to_string(result.status) + ": " + result.output);
  }
  return result.output;
}

}  // namespace headgate::lab
