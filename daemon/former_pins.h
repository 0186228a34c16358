// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/kernel/pin_directory.h"
#include "daemon/kernel/pin_record.h"

namespace headgate {

// What daemons with the same configuration file have left in force in other directories than the
// `pin_dir` of now. It would go on refusing, unseen. What goes wrong is logged. Not thread-safe.
class FormerPins {
 public:
  FormerPins() = default;
  // Records `pins`, too. What is in force elsewhere is taken into it; where that is not possible,
  // it stays in force, and locked, until remove().
  static FormerPins find(const kernel::PinRecord& record, kernel::PinDirectory& pins);

  // Once other limits are in force.
  void remove();
  // When there are no pins any more.
  void forget_current() const;

 private:
  void look_at(const std::string& path, kernel::PinDirectory& pins);
  void remove(const kernel::PinDirectory& former) const;

  std::optional<kernel::PinRecord> record_;
  std::string current_;
  std::vector<kernel::PinDirectory> left_;
};

}  // namespace headgate
