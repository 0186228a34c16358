// SPDX-License-Identifier: Apache-2.0
#include "bpf/window.h"

#include <gtest/gtest.h>

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

hg_windows seen_in(std::uint32_t now, const hg_windows& written) {
  return hg_unpack_windows(hg_pack_windows(written), now);
}

void expect_windows(const hg_windows& windows, std::uint32_t number, std::uint32_t current,
                    std::uint32_t previous) {
  EXPECT_EQ(windows.number, number);
  EXPECT_EQ(windows.current, current);
  EXPECT_EQ(windows.previous, previous);
}

TEST(Window, NumberChangesExactlyAtItsLength) {
  EXPECT_EQ(hg_window_number(0, 10 * kSecond), 0U);
  EXPECT_EQ(hg_window_number(10 * kSecond - 1, 10 * kSecond), 0U);
  EXPECT_EQ(hg_window_number(10 * kSecond, 10 * kSecond), 1U);
}

TEST(Window, NumberWrapsAfter24Bits) {
  EXPECT_EQ(hg_window_number((HG_WINDOW_NUMBER_MASK + 3ULL) * kSecond, kSecond), 2U);
}

TEST(Window, CountsInTheSameWindowAreAsWritten) {
  expect_windows(seen_in(7, {7, 3, 2}), 7, 3, 2);
}

TEST(Window, InTheNextWindowTheCurrentCountIsThePreviousOne) {
  expect_windows(seen_in(8, {7, 3, 2}), 8, 0, 3);
}

TEST(Window, TwoWindowsLaterEverythingIsForgotten) {
  expect_windows(seen_in(9, {7, 3, 2}), 9, 0, 0);
  expect_windows(seen_in(9'000'000, {7, 3, 2}), 9'000'000, 0, 0);
}

TEST(Window, AWindowThatAnotherProcessorHasAlreadyBegunIsKept) {
  expect_windows(seen_in(7, {8, 1, 3}), 8, 1, 3);
}

TEST(Window, AgeIsRightWhereTheNumberWraps) {
  expect_windows(seen_in(0, {HG_WINDOW_NUMBER_MASK, 4, 1}), 0, 0, 4);
  expect_windows(seen_in(1, {HG_WINDOW_NUMBER_MASK, 4, 1}), 1, 0, 0);
}

TEST(Window, TheLargestCountsDoNotTouchEachOther) {
  const std::uint32_t most = HG_WINDOW_COUNT_MAX;
  expect_windows(seen_in(HG_WINDOW_NUMBER_MASK, {HG_WINDOW_NUMBER_MASK, most, 0}),
                 HG_WINDOW_NUMBER_MASK, most, 0);
  expect_windows(seen_in(1, {1, 0, most}), 1, 0, most);
}

}  // namespace
