// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace headgate::lab {

// How much slower than a real machine this one is, for tests in an emulated processor: the
// environment variable HEADGATE_LAB_SLOWNESS, a whole number, or 1. Throws LabError if it is
// anything else.
int slowness();

// A bound on how long something may take, given for a real machine. Not for times that headgate
// itself keeps, such as the length of a penalty: a second is a second on every machine.
template <typename Duration>
Duration allowed(Duration bound) {
  return bound * slowness();
}

}  // namespace headgate::lab
