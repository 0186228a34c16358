// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace headgate::cli {

// A text table: a header, rows of as many cells, columns as wide as their widest cell. Columns
// named in `right_aligned` hold numbers.
class Table {
 public:
  Table(std::vector<std::string> header, std::vector<bool> right_aligned);
  void add(std::vector<std::string> row);
  // Lines ending in '\n', without trailing spaces.
  std::string to_string() const;

 private:
  std::vector<std::vector<std::string>> rows_;  // the first one is the header
  std::vector<bool> right_aligned_;
};

}  // namespace headgate::cli
