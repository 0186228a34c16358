// SPDX-License-Identifier: Apache-2.0
// Writes every shape of frame into a directory, one a file, for the fuzzer to begin with.
#include <cstdio>
#include <fstream>
#include <string>

#include "tests/frames/shapes.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: packet_seeds DIRECTORY\n");
    return 2;
  }
  int number = 0;
  for (const auto& shape : headgate::frames::shapes()) {
    std::ofstream file(std::string(argv[1]) + "/shape-" + std::to_string(number++),
                       std::ios::binary);
    file.write(reinterpret_cast<const char*>(shape.frame.data()),
               static_cast<std::streamsize>(shape.frame.size()));
    if (!file) return 1;
  }
  return 0;
}
