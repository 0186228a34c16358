// SPDX-License-Identifier: Apache-2.0
#include "tests/lab/temp_dir.h"

#include <system_error>

#include <fstream>
#include <sstream>

#include <stdlib.h>

#include "tests/lab/error.h"

namespace headgate::lab {

TempDir::TempDir() {
  std::string name = "/tmp/headgate-test-XXXXXX";
  if (!::mkdtemp(name.data())) check(-1, "mkdtemp " + name);
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::write(const std::string& name, const std::string& content) const {
  const auto file = path_ / name;
  std::ofstream out(file, std::ios::binary);
  out << content;
  if (!out.flush()) throw LabError("cannot write " + file.string());
  return file.string();
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw LabError("cannot read " + path.string());
  std::ostringstream content;
  content << in.rdbuf();
  return content.str();
}

void write_file(const std::filesystem::path& path, const std::string& content) {
  std::ofstream out(path, std::ios::binary);
  out << content;
  if (!out.flush()) throw LabError("cannot write '" + content + "' to " + path.string());
}

}  // namespace headgate::lab
